package daemon

import (
	"fmt"
	"sync"
	"syscall"
	"time"

	"github.com/muster-go/muster/claimer"
	"github.com/muster-go/muster/cmd/agent/internal/config"
	"github.com/muster-go/muster/cmd/agent/internal/guard"
	"github.com/muster-go/muster/cmd/agent/internal/news"
	"github.com/muster-go/muster/cmd/agent/internal/say"
	"github.com/muster-go/muster/manifold"
	"github.com/muster-go/muster/store"
)

// agentAttribute is the attribute of a candidate by which a daemon knows its own.
const agentAttribute = "agent"

// stand is how the daemon stands in one election; its workers come and go.
type stand struct {
	d    *daemon
	name string
	ttl  time.Duration
	news *news.Announcer

	mu       sync.Mutex
	run      []string          // the command; nil: there is none
	stand    manifold.Election // nil while there is no tracker
	seen     bool              // the election was seen at least once
	running  *guard.Command    // nil while no command runs
	starts   int               // of commands
	lost     uint64            // the token of the latest term that was lost
	lastExit string            // how the latest command ended, or why it couldn't be started
}

func (d *daemon) newStand(e config.Election) *stand {
	s := &stand{d: d, name: e.Name, ttl: e.TTL, run: e.Run}
	s.news = news.New(news.Config{
		Election: e.Name,
		Limits: func() store.Limits {
			if opened := d.store.Load(); opened != nil {
				return opened.Limits()
			}
			return store.Limits{}
		},
		Mine: s.mine,
		Say:  s.say,
		Outage: func(error, bool) { // the daemon tells of outages once for all
			d.poke()
		},
	})
	return s
}

// mine says whether a candidate is this daemon's.
func (s *stand) mine(c claimer.Standing) bool { return c.Attributes[agentAttribute] == s.d.id }

// say tells something of the election, whose name goes before it.
func (s *stand) say(event string, l say.Line, format string, args ...any) {
	l.Election = s.name
	s.d.say(event, l, "%s: %s", s.name, fmt.Sprintf(format, args...))
}

// change takes over that another command is run from now on, or none.
func (s *stand) change(run []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.run = run
}

// up notes the tracker's side of the election; nil when it is gone.
func (s *stand) up(election manifold.Election) {
	s.mu.Lock()
	s.stand = election
	s.mu.Unlock()
	s.d.poke()
}

// see hears how the election is by now.
func (s *stand) see(v claimer.View) {
	s.news.See(v)
	s.mu.Lock()
	s.seen = s.seen || v.Stale == nil
	s.mu.Unlock()
	s.d.poke()
}

// runs notes the running command; nil when it has ended, with how in last.
func (s *stand) runs(running *guard.Command, last string) {
	s.mu.Lock()
	s.running = running
	if running != nil {
		s.starts++
	} else if last != "" {
		s.lastExit = last
	}
	s.mu.Unlock()
	s.d.poke()
}

// lose notes that a term is over.
func (s *stand) lose(token uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lost = token
}

// wasLost says whether the term of the token is over. A tracker that lost its lease and found it again
// has the claim that it had.
func (s *stand) wasLost(token uint64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lost == token
}

// kill kills the command that runs now.
func (s *stand) kill() {
	s.mu.Lock()
	running := s.running
	s.mu.Unlock()
	if running == nil {
		return
	}
	if err := running.Signal(syscall.SIGKILL); err == nil {
		s.say("killing", say.Line{PID: running.Pid()}, "killing the command (pid %d)", running.Pid())
	}
}
