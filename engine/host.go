package engine

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/juju/clock"
	"github.com/juju/worker/v4"
	"github.com/juju/worker/v4/dependency"
)

// newHost starts the juju engine that owns the nodes.
func newHost(config Config) (*dependency.Engine, error) {
	return dependency.NewEngine(dependency.EngineConfig{
		IsFatal:    func(error) bool { return false }, // a seat ends with nil
		WorstError: func(err, _ error) error { return err },
		Clock:      hostClock{config.Clock},
		Metrics:    dependency.DefaultMetrics(),
		Logger:     hostLogger{config.Logger},
	})
}

// seat is a worker of the host that runs nodes, one after another. The host keeps some 730 bytes of
// each worker that it ever started, those that were uninstalled too; so seats aren't: one that is
// free waits for the next node. There are as many as there were nodes at a time.
type seat struct {
	g     *graph
	first *node
}

// hostNode has the host run a node's loop, in a new seat.
func (e *Engine) hostNode(n *node) error {
	s := &seat{g: e.graph, first: n}
	return e.host.Install(fmt.Sprintf("seat %d", e.seats.Add(1)), dependency.Manifold{
		Start: func(context.Context, dependency.Getter) (worker.Worker, error) { return s, nil },
	})
}

// Kill is part of worker.Worker: the host kills a seat only when it ends itself.
func (s *seat) Kill() {
	s.g.mu.Lock()
	defer s.g.mu.Unlock()
	s.g.stop(nil, "")
}

// Wait is part of worker.Worker: it runs nodes, until the engine stops.
func (s *seat) Wait() error {
	n := s.first
	s.first = nil // the host keeps s
	for n != nil {
		n.loop()
		n = s.g.nextNode()
	}
	return nil
}

// nextNode waits for a node that has no seat; nil: the engine stops.
func (g *graph) nextNode() *node {
	g.mu.Lock()
	if g.stopping {
		g.mu.Unlock()
		return nil
	}
	next := make(chan *node, 1)
	g.freeSeats = append(g.freeSeats, next)
	g.mu.Unlock()
	return <-next
}

// takeSeat gives a node to a free seat, if there is one; with mu held.
func (g *graph) takeSeat(n *node) bool {
	last := len(g.freeSeats) - 1
	if last < 0 {
		return false
	}
	g.freeSeats[last] <- n
	g.freeSeats[last] = nil
	g.freeSeats = g.freeSeats[:last]
	return true
}

// hostClock spares the host's timers: it only ever waits for no time at all.
type hostClock struct{ clock.Clock }

func (c hostClock) After(d time.Duration) <-chan time.Time {
	if d > 0 {
		return c.Clock.After(d)
	}
	return passed
}

// passed is always ready.
var passed = func() <-chan time.Time {
	ch := make(chan time.Time)
	close(ch)
	return ch
}()

// hostLogger passes on what the host finds wrong. The rest says the engine itself.
type hostLogger struct{ *slog.Logger }

func (hostLogger) Tracef(string, ...any) {}
func (hostLogger) Debugf(string, ...any) {}
func (hostLogger) Infof(string, ...any)  {}
func (l hostLogger) Errorf(format string, args ...any) {
	l.Error("juju's engine: " + fmt.Sprintf(format, args...))
}
