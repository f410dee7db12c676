package engine

import "strings"

// Ready returns nil, or a *NotReadyError that names each manifold that isn't as it should be, and
// why. These are: one that has failed and waits to be started again, starts for the first time, is
// stuck, or is blocked; but not one that is blocked only because a Flag is false, as all that is
// guarded is where another one leads. An engine that is stopping or has ended isn't ready either.
func (s Snapshot) Ready() error {
	refused := &NotReadyError{}
	if s.State != StateRunning {
		refused.Engine = "engine " + string(s.State)
		if s.Error != "" {
			refused.Engine += ": " + oneLine(s.Error)
		}
	}
	byName := make(map[string]*Node, len(s.Nodes))
	for i := range s.Nodes {
		byName[s.Nodes[i].Name] = &s.Nodes[i]
	}
	for _, node := range s.Nodes {
		if !node.ready(byName) {
			refused.Nodes = append(refused.Nodes, node)
		}
	}
	if refused.Engine == "" && refused.Nodes == nil {
		return nil
	}
	return refused
}

// NotReadyError says what keeps an engine from being ready.
type NotReadyError struct {
	Engine string // what is wrong with the engine as a whole: it is stopping, or has ended
	Nodes  []Node // those that aren't ready, ordered by name
}

// Error gives a line for the engine, and one for each manifold.
func (e *NotReadyError) Error() string {
	var lines []string
	if e.Engine != "" {
		lines = append(lines, e.Engine)
	}
	for _, node := range e.Nodes {
		lines = append(lines, node.String())
	}
	return strings.Join(lines, "\n")
}

// ready says whether the manifold is as it should be.
func (n Node) ready(byName map[string]*Node) bool {
	switch n.State {
	case StateBackoff, StateStuck:
		return false
	case StateStarting:
		return n.Starts > 0
	case StateBlocked:
		if len(n.Why) == 0 {
			return false
		}
		root := byName[n.Why[len(n.Why)-1].Node]
		return root != nil && root.look() == lowered
	default:
		return true
	}
}

// String says in one line how the manifold is, and why.
func (n Node) String() string {
	line := visible(n.Name) + ": " + string(n.State)
	switch {
	case n.look() == lowered:
		line += ", flag is false"
	case n.Flag != nil:
		line += ", flag is true"
	}
	if reason := n.Explain(); reason != "" {
		return line + ": " + reason
	}
	if n.State != StateRunning && n.LastError != "" {
		line += ": last error: " + oneLine(n.LastError)
	}
	return line
}
