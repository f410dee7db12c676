package config

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/muster-go/muster/cmd/agent/internal/command"
	"github.com/muster-go/muster/cmd/agent/internal/exit"
	"github.com/muster-go/muster/cmd/agent/internal/guard"
	"github.com/muster-go/muster/store"
	"github.com/muster-go/muster/tracker"
)

// The values that the keys of log can have.
var (
	levels  = []string{"debug", "info", "warn", "error"}
	formats = []string{"text", "json"}
)

// minTTL is the shortest TTL for which a tracker's Duration, 0.4 of it, isn't too short.
const minTTL = tracker.MinDuration * 5 / 2

// Parse reads a file's text. path is what faults call it; checkStore refuses a URL that no driver
// knows. The error is Faults.
func Parse(path string, text []byte, checkStore func(url string) error) (*Config, error) {
	r := &reader{path: path}
	cfg := &Config{Path: path, Listen: DefaultListen}
	if root := r.document(text); root != nil {
		r.config(root, cfg, checkStore)
	}
	if len(r.faults) > 0 {
		r.faults.sort()
		return nil, r.faults
	}
	return cfg, nil
}

// document gives the one document of a file.
func (r *reader) document(text []byte) *yaml.Node {
	loader, err := yaml.NewLoader(bytes.NewReader(text))
	if err != nil {
		r.faults = append(r.faults, Fault{Path: r.path, Text: err.Error()})
		return nil
	}
	var first *yaml.Node
	for {
		var n yaml.Node
		err := loader.Load(&n)
		switch {
		case errors.Is(err, io.EOF) && first == nil:
			r.faults = append(r.faults, Fault{Path: r.path, Text: "is empty: name at least one election, for example: elections: {web: {}}"})
			return nil
		case errors.Is(err, io.EOF):
			return first
		case err != nil:
			r.syntax(err)
			return first // what could be read has faults worth telling too
		case first == nil:
			first = n.Content[0]
		default:
			r.fault(&n, `a second document begins here: leave the "---" before it out, or what follows`)
			return first
		}
	}
}

// syntax notes why the text isn't YAML.
func (r *reader) syntax(err error) {
	fault := Fault{Path: r.path, Text: err.Error()}
	if found := (*yaml.LoadError)(nil); errors.As(err, &found) {
		fault.Text = "not YAML: " + found.Message
		mark := found.Mark
		if mark.Line == 0 {
			mark = found.ContextMark
		}
		fault.Line, fault.Column = mark.Line, mark.Column
		if found.ContextMsg != "" && found.ContextMark.Line > 0 {
			fault.Text += fmt.Sprintf(" (%s that begins in line %d)", found.ContextMsg, found.ContextMark.Line)
		}
		if strings.Contains(found.Message, "cannot start any token") {
			fault.Text += ": indent with spaces, and put text that begins with a special character in quotes"
		}
	}
	r.faults = append(r.faults, fault)
}

func (r *reader) config(root *yaml.Node, cfg *Config, checkStore func(string) error) {
	var elections *yaml.Node
	r.mapping(root, "the configuration", map[string]func(*yaml.Node){
		"store": func(n *yaml.Node) {
			if url, ok := r.text(n, "store"); ok {
				cfg.Store = url
				r.because(n, checkStore(url))
			}
		},
		"node": func(n *yaml.Node) {
			if name, ok := r.text(n, "node"); ok {
				cfg.Node = name
				r.because(n, CheckNode(name))
			}
		},
		"listen": func(n *yaml.Node) {
			if n.Kind != yaml.ScalarNode {
				r.fault(n, "listen is %s: want ADDRESS:PORT like %s", kind(n), DefaultListen)
				return
			}
			cfg.Listen = n.Value
			r.because(n, CheckListen(n.Value))
		},
		"hosts": func(n *yaml.Node) {
			r.list(n, "hosts", func(item *yaml.Node) {
				if name, ok := r.text(item, "an item of hosts"); ok {
					cfg.Hosts = append(cfg.Hosts, name)
					if strings.ContainsAny(name, ":/@ *") {
						r.fault(item, "hosts: %q is no host name: want one without scheme and port, like agents.example.com", name)
					}
				}
			})
		},
		"state-dir": func(n *yaml.Node) {
			if dir, ok := r.text(n, "state-dir"); ok {
				cfg.StateDir = dir
				if !filepath.IsAbs(dir) {
					r.fault(n, "state-dir %q is relative: want the full path, like /var/lib/muster", dir)
				}
			}
		},
		"log": func(n *yaml.Node) {
			r.mapping(n, "log", map[string]func(*yaml.Node){
				"level":  func(n *yaml.Node) { cfg.Log.Level = r.choice(n, "log level", levels) },
				"format": func(n *yaml.Node) { cfg.Log.Format = r.choice(n, "log format", formats) },
			})
		},
		"elections": func(n *yaml.Node) { elections = n },
	})
	if root.Kind != yaml.MappingNode && !null(root) {
		return // as was said
	}
	if elections == nil || elections.Kind == yaml.MappingNode && len(elections.Content) == 0 {
		r.fault(root, "no elections: name at least one, for example: elections: {web: {}}")
		return
	}
	for _, e := range r.entries(elections, "elections") {
		cfg.Elections = append(cfg.Elections, r.election(e))
	}
	slices.SortFunc(cfg.Elections, func(a, b Election) int { return cmp.Compare(a.Name, b.Name) })
}

func (r *reader) election(e entry) Election {
	election := Election{Name: e.key.Value, TTL: DefaultTTL}
	r.because(e.key, store.CheckName("election", election.Name))
	what := fmt.Sprintf("election %q: ", election.Name)
	var ttl, grace, run, env, dir *yaml.Node
	timed := true // ttl and grace can be compared
	keep := func(at **yaml.Node) func(*yaml.Node) { return func(n *yaml.Node) { *at = n } }
	r.mapping(e.value, fmt.Sprintf("election %q", election.Name), map[string]func(*yaml.Node){
		"ttl": keep(&ttl), "grace": keep(&grace), "run": keep(&run), "env": keep(&env), "dir": keep(&dir),
	})
	if ttl != nil {
		if election.TTL, timed = r.duration(ttl, what+"ttl"); timed && election.TTL < minTTL {
			r.fault(ttl, "%sttl %v is too short: use at least %v, and what the store can keep", what, election.TTL, minTTL)
		}
	}
	election.Grace = command.DefaultGrace(election.TTL)
	if grace != nil {
		var ok bool
		if election.Grace, ok = r.duration(grace, what+"grace"); ok && timed {
			if err := command.CheckGrace("grace", election.Grace, "ttl", election.TTL); err != nil {
				r.fault(grace, "%s%s", what, exit.Message(err))
			}
		}
	}
	if run == nil {
		for name, n := range map[string]*yaml.Node{"grace": grace, "env": env, "dir": dir} {
			if n != nil {
				r.fault(n, "%s%s is for a command, and there is none: add run, or leave it out", what, name)
			}
		}
		return election
	}
	r.command(&election, what, run, env, dir)
	return election
}

// command reads what an election runs, and looks whether it exists.
func (r *reader) command(election *Election, what string, run, env, dir *yaml.Node) {
	before := len(r.faults)
	if dir != nil {
		if path, ok := r.text(dir, what+"dir"); ok {
			election.Dir = path
			switch info, err := os.Stat(path); {
			case !filepath.IsAbs(path):
				r.fault(dir, "%sdir %q is relative: want the full path", what, path)
			case err != nil:
				r.fault(dir, "%sdir: %v: make it, or name another", what, err)
			case !info.IsDir():
				r.fault(dir, "%sdir %s is no folder: name one", what, path)
			}
		}
	}
	if env != nil {
		election.Env = map[string]string{}
		for _, e := range r.entries(env, what+"env") {
			name := e.key.Value
			switch {
			case name == "" || strings.ContainsAny(name, "=\x00"):
				r.fault(e.key, "%senv: %q can't be the name of a variable: give it one without %q", what, name, "=")
			case slices.Contains(command.Variables, name):
				r.fault(e.key, "%senv: %s is set by the agent: choose another name", what, name)
			}
			election.Env[name] = r.word(e.value, what+"env "+name)
		}
	}
	switch {
	case run.Kind == yaml.ScalarNode:
		words := strings.Fields(run.Value)
		r.fault(run, "%srun is %s: want a list of words, as no shell splits it: [%s]; with a shell: [sh, -c, %q]", what, kind(run), strings.Join(words, ", "), run.Value)
		return
	case run.Kind == yaml.SequenceNode && len(run.Content) == 0:
		r.fault(run, "%srun is an empty list: name a command, like [sleep, infinity], or leave the key out", what)
		return
	}
	r.list(run, what+"run", func(item *yaml.Node) {
		election.Run = append(election.Run, r.word(item, what+"a word of run"))
	})
	if len(r.faults) > before {
		return
	}
	if _, err := guard.LookPath(election.Run[0], command.Environment(os.Environ(), election.Env), election.Dir); err != nil {
		r.fault(run.Content[0], "%srun: %v", what, err)
	}
}

// because notes a fault if there is an error.
func (r *reader) because(n *yaml.Node, err error) {
	if err != nil {
		r.fault(n, "%s", exit.Message(err))
	}
}

// CheckNode refuses a name that a node can't have.
func CheckNode(name string) error {
	if err := store.CheckName("node", name); err != nil {
		return err
	}
	if strings.Contains(name, "#") {
		return exit.Errorf(exit.Value, `node name %q has a "#", which is kept for the agent's own use: leave it out`, name)
	}
	return nil
}

// CheckListen refuses what isn't the address of a listener.
func CheckListen(address string) error {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return exit.Errorf(exit.Value, "listen %q: want ADDRESS:PORT like %s", address, DefaultListen)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil {
		return exit.Errorf(exit.Value, "listen %q: the port %q is no number from 0 (any free one) to 65535", address, port)
	} else if host == "" {
		return exit.Errorf(exit.Value, "listen %q: no address: write 127.0.0.1:%d for this machine only, 0.0.0.0:%d for all", address, n, n)
	}
	if host != "localhost" && net.ParseIP(host) == nil {
		return exit.Errorf(exit.Value, "listen %q: %q is no IP address: want one of this machine's, or localhost", address, host)
	}
	return nil
}

// MostGrace is the longest grace of the elections.
func (c *Config) MostGrace() time.Duration {
	most := time.Duration(0)
	for _, e := range c.Elections {
		if e.Run != nil {
			most = max(most, e.Grace)
		}
	}
	return most
}

// ByName gives the elections by name.
func (c *Config) ByName() map[string]Election {
	byName := map[string]Election{}
	for _, e := range c.Elections {
		byName[e.Name] = e
	}
	return byName
}
