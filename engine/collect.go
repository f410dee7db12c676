package engine

import (
	"slices"
	"time"
)

// Snapshot tells how all manifolds are. It never waits for one: workers' Report and Reason are called
// apart, at most one at a time for each worker, and what hasn't answered within 100 ms on the
// engine's clock, for all together, is told in ReportError. It can be taken after the end too.
func (e *Engine) Snapshot() Snapshot {
	g := e.graph
	now := g.config.Clock.Now()
	v, fresh := g.look(now)
	g.ask(fresh)
	v.finish(g.await(v.calls, now))
	return v.Snapshot
}

// view is a Snapshot in the making.
type view struct {
	Snapshot

	seen  []seen
	calls []*reportCall
	index map[string]int
}

// seen is what the explanation of a node needs beyond what the Node says.
type seen struct {
	node       *node // only what never changes
	dependents []*node
	restarts   [3]int

	serves   bool // what requires it may run
	down     bool
	flag     *bool
	holder   string // goes down: who is waited for, or is stuck upon it
	missing  string
	removed  string
	failures int
	bounces  bool
	inStart  bool
	left     bool
	killedAt time.Time
	call     *reportCall
}

// look copies the graph, and nothing more, with mu held.
func (g *graph) look(now time.Time) (*view, []*reportCall) {
	var fresh []*reportCall
	g.mu.Lock()
	defer g.mu.Unlock()
	v := &view{seen: make([]seen, len(g.order))}
	v.Taken, v.State, v.Error = now, StateRunning, g.fatalText
	switch {
	case g.finished:
		v.State = StateFinished
	case g.stopping:
		v.State = StateStopping
	}
	v.Nodes = make([]Node, len(g.order))
	for i, n := range g.order {
		v.Nodes[i] = Node{
			Name: n.name, State: n.state, Since: n.since,
			Starts: n.starts, LastStart: n.lastStart, LastError: n.lastError, LastErrorAt: n.lastErrorAt,
			StartTook: n.startTook, StopTook: n.stopTook,
		}
		if n.state == StateBackoff {
			v.Nodes[i].BackoffUntil = n.until
		}
		s := &v.seen[i]
		*s = seen{
			node: n, dependents: g.dependents[n.name], restarts: n.restarts,
			serves: n.serves(), down: n.down, missing: n.missing, removed: n.uninstalled,
			failures: n.failures, bounces: n.bounces >= freeBounces && n.cause == causeBounce,
			left: n.verdict == StateRunning,
		}
		if r := n.run; r != nil {
			s.flag, s.killedAt, s.inStart = r.flag, r.killedAt, r.worker == nil
			if n.down {
				if h := g.holder(n); h != nil {
					s.holder = h.name
				} else if h := g.stuckOn(n); h != nil {
					s.holder = h.name
				}
			}
		}
		var isFresh bool
		if s.call, isFresh = g.prepareCall(n, now); s.call != nil {
			v.calls = append(v.calls, s.call)
			if isFresh {
				fresh = append(fresh, s.call)
			}
		}
	}
	return v, fresh
}

// finish fills in what needs no lock.
func (v *view) finish(late map[*reportCall]string) {
	v.index = make(map[string]int, len(v.Nodes))
	for i := range v.seen {
		v.index[v.Nodes[i].Name] = i
	}
	for i := range v.seen {
		n, s := &v.Nodes[i], &v.seen[i]
		n.Inputs = slices.Clone(s.node.inputs)
		for _, input := range n.Inputs {
			if s.node.optional[input] {
				n.Optional = append(n.Optional, input)
			}
		}
		if len(s.dependents) > 0 {
			n.Dependents = names(s.dependents)
		}
		for c, count := range s.restarts {
			if count > 0 {
				if n.Restarts == nil {
					n.Restarts = map[RestartCause]int{}
				}
				n.Restarts[cause(c).public()] = count
			}
		}
		if s.flag != nil && n.State == StateRunning {
			flag := *s.flag
			n.Flag = &flag
		}
		if c := s.call; c != nil {
			if why, isLate := late[c]; isLate {
				n.ReportError = why
				s.call = nil // its reason may yet be written
			} else {
				n.Report, n.ReportError = c.report, c.err
			}
		}
	}
	for i := range v.Nodes {
		v.Nodes[i].Why = v.why(i)
	}
}

// Node gives the manifold of a name.
func (s Snapshot) Node(name string) (Node, bool) {
	i, found := slices.BinarySearchFunc(s.Nodes, name, func(n Node, name string) int {
		switch {
		case n.Name < name:
			return -1
		case n.Name > name:
			return 1
		}
		return 0
	})
	if !found {
		return Node{}, false
	}
	return s.Nodes[i], true
}
