package config

import (
	"maps"
	"slices"
	"time"
)

// DefaultListen is where a daemon serves that isn't told where.
const DefaultListen = "127.0.0.1:8510"

// DefaultTTL is the TTL of an election that names none.
const DefaultTTL = 15 * time.Second

// Config is what a file says. What it leaves out has its default, but for Store, Node, StateDir and
// Log, which stay empty: flags and the environment come first there.
type Config struct {
	Path      string // of the file
	Store     string // URL
	Node      string
	Listen    string   // an IP address, or localhost, and a port; 0: a free one
	Hosts     []string // further names under which requests may come
	StateDir  string
	Log       Log
	Elections []Election // ordered by name; at least one
}

// Log says what goes to stderr beside the agent's own words.
type Log struct {
	Level, Format string
}

// Election is one that the daemon stands for.
type Election struct {
	Name  string
	TTL   time.Duration
	Grace time.Duration // between the command's SIGTERM and SIGKILL
	Run   []string      // the command and its arguments; nil: it only stands
	Env   map[string]string
	Dir   string // the command's working directory; empty: the daemon's
}

// SameStand says whether the two stand in the same way, whatever they run.
func (e Election) SameStand(other Election) bool {
	return e.Name == other.Name && e.TTL == other.TTL
}

// SameCommand says whether the two run the same in the same way.
func (e Election) SameCommand(other Election) bool {
	return e.Grace == other.Grace && e.Dir == other.Dir &&
		slices.Equal(e.Run, other.Run) && maps.Equal(e.Env, other.Env)
}

// Restart names the settings, other than the elections, in which the two differ: a daemon takes them
// over only when it is started again.
func (c *Config) Restart(other *Config) []string {
	var names []string
	for _, field := range []struct {
		name string
		same bool
	}{
		{"store", c.Store == other.Store},
		{"node", c.Node == other.Node},
		{"listen", c.Listen == other.Listen},
		{"hosts", slices.Equal(c.Hosts, other.Hosts)},
		{"state-dir", c.StateDir == other.StateDir},
		{"log", c.Log == other.Log},
	} {
		if !field.same {
			names = append(names, field.name)
		}
	}
	return names
}

// Example is a small file that works as it is.
const Example = `elections:
  nightly:                 # the name that all candidates share
    ttl: 15s               # how long the leadership outlives an agent that stopped answering
    run: [sleep, infinity] # runs only while this agent leads; one word each, no shell
  web: {}                  # stands, and shows who leads: /leader/web
`
