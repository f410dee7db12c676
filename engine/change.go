package engine

import (
	"errors"
	"fmt"
	"strings"

	"github.com/juju/worker/v4/dependency"
)

var (
	// ErrStopping is what changes to an Engine that stops or has ended are refused with.
	ErrStopping = errors.New("the engine is stopping")
	// ErrUnknown is what changes of a manifold that isn't there are refused with.
	ErrUnknown = errors.New("no such manifold")
	// ErrInUse is what Uninstall of a manifold that others depend on is refused with.
	ErrInUse = errors.New("others depend on it")
)

// Install adds a manifold to a running Engine and returns at once. It refuses a name that is taken
// (one that uninstalled itself isn't), and what Check refuses of all manifolds together; then
// nothing has changed.
func (e *Engine) Install(name string, m dependency.Manifold) error {
	n, seated, err := e.install(name, m)
	switch {
	case err != nil:
		return fmt.Errorf("install of manifold %q: %w", name, err)
	case seated:
		return nil
	}
	if err := e.hostNode(n); err != nil {
		e.graph.mu.Lock()
		defer e.graph.mu.Unlock()
		e.graph.forget(n)
		return fmt.Errorf("install of manifold %q: %w", name, ErrStopping)
	}
	return nil
}

// install puts a node into the graph, and says whether its loop runs already.
func (e *Engine) install(name string, m dependency.Manifold) (n *node, seated bool, err error) {
	g := e.graph
	now := g.config.Clock.Now()
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.stopping {
		return nil, false, ErrStopping
	}
	old := g.nodes[name]
	if old != nil && old.state != StateRemoved {
		return nil, false, errors.New("the name is taken: Uninstall the other one first")
	}
	all := make(dependency.Manifolds, len(g.nodes)+1)
	for other, n := range g.nodes {
		// What somebody removes can't be depended on any more, what removed itself can.
		if !n.removing || n.uninstalled != "" {
			all[other] = n.manifold
		}
	}
	all[name] = m
	if err := Check(all); err != nil {
		return nil, false, err
	}
	n = g.newNode(name, m, now)
	g.add(n)
	if old != nil {
		n.founding = old.founding
		g.drop(old) // after add: what both depend on stays
	}
	return n, g.takeSeat(n), nil
}

// Uninstall stops a manifold's worker and takes it out of the Engine. It waits for that. ErrInUse
// with the names of those that depend on it, if there are any, ErrUnknown and ErrStopping mean that
// nothing has changed. A *StuckError means that the worker ignores Kill: the manifold leaves when it
// ends. A worker must not uninstall its own manifold so: it ends with dependency.ErrUninstall.
func (e *Engine) Uninstall(name string) error {
	n, settled, err := e.uninstall(name)
	if err != nil {
		return fmt.Errorf("uninstall of manifold %q: %w", name, err)
	}
	select {
	case <-settled:
	case <-e.dead:
	}
	g := e.graph
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.nodes[name] != n:
		return nil
	case n.state == StateStuck:
		return fmt.Errorf("uninstall of manifold %q: %w", name, &StuckError{Stuck: []string{name}})
	default:
		return fmt.Errorf("uninstall of manifold %q: %w", name, ErrStopping)
	}
}

func (e *Engine) uninstall(name string) (*node, <-chan struct{}, error) {
	g := e.graph
	g.mu.Lock()
	defer g.mu.Unlock()
	n := g.nodes[name]
	switch {
	case g.stopping:
		return nil, nil, ErrStopping
	case n == nil:
		return nil, nil, ErrUnknown
	case len(g.dependents[name]) > 0:
		return nil, nil, fmt.Errorf("%w: %s", ErrInUse, strings.Join(names(g.dependents[name]), ", "))
	}
	if n.settled == nil {
		n.settled = make(chan struct{})
	}
	settled := n.settled
	if n.state == StateRemoved { // its loop has ended
		g.forget(n)
		n.settle()
		return n, settled, nil
	}
	n.removing = true
	g.lower(n, byRemoval)
	if n.state == StateStuck {
		n.settle()
	}
	n.poke()
	return n, settled, nil
}

// Bounce stops a manifold's worker, those of its dependents first, and starts it again at once,
// whatever delay it waits for. It returns without waiting for that. ErrUnknown and ErrStopping mean
// that nothing has changed.
func (e *Engine) Bounce(name string) error {
	g := e.graph
	g.mu.Lock()
	defer g.mu.Unlock()
	n := g.nodes[name]
	switch {
	case g.stopping:
		return fmt.Errorf("bounce of manifold %q: %w", name, ErrStopping)
	case n == nil || n.removing:
		return fmt.Errorf("bounce of manifold %q: %w", name, ErrUnknown)
	}
	if n.run == nil && n.attempts > 0 {
		n.cause = causeBounce
	}
	n.changed = true // ends what it waits for
	g.lower(n, byBounce)
	n.poke()
	return nil
}

// names gives the nodes' names.
func names(nodes []*node) []string {
	list := make([]string, len(nodes))
	for i, n := range nodes {
		list[i] = n.name
	}
	return list
}
