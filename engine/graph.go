package engine

import (
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/juju/worker/v4/dependency"
)

// graph is the state of all nodes. Everything in it, in nodes and in runs is guarded by mu, unless a
// field says otherwise; no code of a user is called with mu held.
type graph struct {
	config   Config
	killHost func() // makes the host stop; doesn't block

	mu         sync.Mutex
	nodes      map[string]*node
	order      []*node            // by name
	dependents map[string][]*node // by the input's name, each ordered by name
	stopping   bool
	finished   bool
	fatal      error
	fatalText  string
	freeSeats  []chan<- *node                // of the host: closed when the engine stops
	lingering  int                           // runs that were given up and aren't released
	left       []*run                        // at shutdown: those that sit in Vacate over something stuck
	subs       map[*subscription]func() bool // with what stops watching its context
	calls      map[*reportCall]*node         // Reports under way
	callsDone  chan struct{}                 // if not nil: closed when calls is empty
	times      *histograms                   // nil without metrics
}

// lowering is why a node goes down.
type lowering int

const (
	byItself   lowering = iota // its worker ended
	byVacate                   // its worker called Vacate
	byInput                    // an input goes down, or an optional one came up
	byBounce                   // Bounce
	byRemoval                  // Uninstall
	byShutdown                 // the engine ends
)

// newNode makes a node that isn't in the graph yet.
func (g *graph) newNode(name string, m dependency.Manifold, now time.Time) *node {
	n := &node{g: g, name: name, manifold: m, poked: make(chan struct{}, 1), state: StateBlocked, since: now}
	if len(m.Inputs) > 0 {
		n.inputs, n.optional = splitInputs(m.Inputs)
	}
	return n
}

// add puts a new node into the graph; with mu held. Slices that a Snapshot may read are replaced, not
// changed.
func (g *graph) add(n *node) {
	g.nodes[n.name] = n
	g.order = inserted(g.order, n)
	for _, input := range n.inputs {
		g.dependents[input] = inserted(g.dependents[input], n)
	}
}

// inserted is a copy of nodes with one more.
func inserted(nodes []*node, n *node) []*node {
	at, _ := slices.BinarySearchFunc(nodes, n, byName)
	return slices.Insert(slices.Clone(nodes), at, n)
}

// forget takes a node out of the graph, and the remains of removed ones that only it depended on;
// with mu held.
func (g *graph) forget(n *node) {
	if g.nodes[n.name] != n {
		return
	}
	delete(g.nodes, n.name)
	g.drop(n)
}

// drop takes a node that has no name any more out of the rest; with mu held.
func (g *graph) drop(n *node) {
	is := func(other *node) bool { return other == n }
	g.order = slices.DeleteFunc(slices.Clone(g.order), is)
	for _, input := range n.inputs {
		rest := slices.DeleteFunc(slices.Clone(g.dependents[input]), is)
		if len(rest) > 0 {
			g.dependents[input] = rest
			continue
		}
		delete(g.dependents, input)
		if x := g.nodes[input]; x != nil && x.state == StateRemoved && !x.founding {
			g.forget(x)
		}
	}
}

func byName(a, b *node) int { return strings.Compare(a.name, b.name) }

// lower begins to take a node down, and all that stands on its worker; with mu held.
func (g *graph) lower(n *node, why lowering) {
	if n.run == nil || n.down {
		return
	}
	n.down, n.downWhy = true, why
	n.poke()
	if !n.run.up {
		return // nobody stands on it
	}
	for _, d := range g.dependents[n.name] {
		d.changed = true
		if d.run != nil && d.run.uses(n.run) {
			g.lower(d, byInput)
		}
		d.poke()
	}
}

// raised tells the dependents of a node that its worker is up; with mu held.
func (g *graph) raised(n *node) {
	for _, d := range g.dependents[n.name] {
		d.changed = true
		if d.optional[n.name] {
			g.lower(d, byInput) // if it runs, it does so without this input
		}
		d.poke()
	}
}

// held says whether a node that goes down must wait for another one; with mu held.
func (g *graph) held(n *node) bool { return g.holder(n) != nil }

// holder gives a node that stands on n's worker and is still waited for; with mu held.
func (g *graph) holder(n *node) *node {
	if n.run == nil || n.run.users == 0 {
		return nil
	}
	for _, d := range g.dependents[n.name] {
		if d.run != nil && d.run.uses(n.run) && !d.givenUp() {
			return d
		}
	}
	// What is left are workers that are stuck, or one that stands on this one only through workers
	// that have ended already.
	seen := map[*run]bool{}
	for _, d := range g.order {
		if d != n && d.run != nil && !d.givenUp() && d.run.standsOn(n.run, seen) {
			return d
		}
	}
	return nil
}

// stuckOn gives a node with a live worker that stands on n's, waited for or not; with mu held.
func (g *graph) stuckOn(n *node) *node {
	if n.run == nil || n.run.users == 0 {
		return nil
	}
	seen := map[*run]bool{}
	for _, d := range g.order {
		if d != n && d.run != nil && !d.run.ended && d.run.standsOn(n.run, seen) {
			return d
		}
	}
	return nil
}

// stop begins the shutdown, with what ends the engine; with mu held. Of several errors the first
// counts, also if it comes when the engine stops already.
func (g *graph) stop(fatal error, text string) {
	if g.fatal == nil {
		g.fatal, g.fatalText = fatal, text
	}
	if g.stopping {
		return
	}
	g.stopping = true
	for _, n := range g.order {
		g.lower(n, byShutdown)
	}
	g.pokeAll()
	for _, seat := range g.freeSeats {
		close(seat)
	}
	g.freeSeats = nil
	g.killHost()
}

// pokeAll makes every node look at the graph again; with mu held. For what happens seldom.
func (g *graph) pokeAll() {
	for _, n := range g.order {
		n.poke()
	}
}
