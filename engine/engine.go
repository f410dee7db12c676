package engine

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"github.com/juju/worker/v4"
	"github.com/juju/worker/v4/dependency"
)

// Engine runs a set of manifolds. It is a worker.Worker; all methods can be called from anywhere.
type Engine struct {
	graph   *graph
	host    *dependency.Engine // runs the nodes' loops, one goroutine each
	metrics *metrics
	pulse   pulse

	seats atomic.Uint64 // given to the host so far

	dead chan struct{}
	err  error // once dead is closed
}

var (
	_ worker.Worker        = (*Engine)(nil)
	_ dependency.Reporter  = (*Engine)(nil)
	_ dependency.Installer = (*Engine)(nil)
)

// New starts an Engine on the manifolds, which may be none. It refuses a Config that isn't valid and
// manifolds that Check refuses, and starts nothing then. It doesn't wait for workers. Who called it
// must Kill the Engine and Wait for it.
func New(config Config, manifolds dependency.Manifolds) (*Engine, error) {
	if err := config.Validate(); err != nil {
		return nil, err
	}
	if err := Check(manifolds); err != nil {
		return nil, err
	}
	config = config.withDefaults()
	host, err := newHost(config)
	if err != nil {
		return nil, err
	}
	g := &graph{
		config:     config,
		killHost:   host.Kill,
		nodes:      make(map[string]*node, len(manifolds)),
		dependents: make(map[string][]*node, len(manifolds)),
		subs:       map[*subscription]func() bool{},
		calls:      map[*reportCall]*node{},
	}
	e := &Engine{graph: g, host: host, dead: make(chan struct{})}
	g.addAll(manifolds, config.Clock.Now())
	first := g.order
	e.metrics = newMetrics(g) // from here on others read the graph
	go e.run()
	for _, n := range first {
		if err := e.hostNode(n); err != nil {
			break // it ends already: of an error that is fatal
		}
	}
	return e, nil
}

// addAll puts the first nodes into the graph.
func (g *graph) addAll(manifolds dependency.Manifolds, now time.Time) {
	for _, name := range slices.Sorted(maps.Keys(manifolds)) {
		n := g.newNode(name, manifolds[name], now)
		n.founding = true
		g.nodes[name] = n
		g.order = append(g.order, n)
		for _, input := range n.inputs {
			g.dependents[input] = append(g.dependents[input], n)
		}
	}
}

// Kill asks the Engine to stop: every worker is killed once those that depend on it have ended. It
// doesn't block.
func (e *Engine) Kill() {
	e.graph.mu.Lock()
	defer e.graph.mu.Unlock()
	e.graph.stop(nil, "")
}

// Wait waits until the Engine has ended. It returns the error that IsFatal found fatal, a
// *StuckError if it ended without some of its workers, both, or nil: then no goroutine is left.
func (e *Engine) Wait() error {
	<-e.dead
	return e.err
}

// Report implements dependency.Reporter, for an Engine in an Engine, from a Snapshot.
func (e *Engine) Report() map[string]any {
	s := e.Snapshot()
	manifolds := make(map[string]any, len(s.Nodes))
	for _, n := range s.Nodes {
		manifolds[n.Name] = n
	}
	report := map[string]any{dependency.KeyState: s.State, dependency.KeyManifolds: manifolds}
	if s.Error != "" {
		report[dependency.KeyError] = s.Error
	}
	return report
}

// run waits for the end of all nodes, and tidies up.
func (e *Engine) run() {
	g := e.graph
	hostErr := e.host.Wait()
	g.awaitReports()

	g.mu.Lock()
	if hostErr != nil {
		g.stop(fmt.Errorf("engine: juju's engine has a fault: %w", hostErr), textOf(hostErr))
	}
	e.err = g.result()
	g.finished = true
	for s := range g.subs {
		g.unsubscribe(s)
	}
	g.mu.Unlock()
	e.metrics.unregister()
	close(e.dead)
}

// result is what Wait returns; with mu held.
func (g *graph) result() error {
	stuck := &StuckError{}
	for _, n := range g.order {
		switch n.verdict {
		case StateStuck:
			stuck.Stuck = append(stuck.Stuck, n.name)
		case StateStopping, StateRunning:
			stuck.Left = append(stuck.Left, n.name)
		}
	}
	for _, n := range g.calls {
		if n.verdict == "" && !slices.Contains(stuck.Stuck, n.name) {
			stuck.Stuck = append(stuck.Stuck, n.name)
		}
	}
	if len(stuck.Stuck)+len(stuck.Left) == 0 {
		return g.fatal
	}
	slices.Sort(stuck.Stuck)
	if g.fatal == nil {
		return stuck
	}
	return errors.Join(g.fatal, stuck)
}
