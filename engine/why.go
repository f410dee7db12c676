package engine

import (
	"fmt"
	"time"
)

// why explains a node that isn't running, or whose flag is false: the chain from it to the root
// cause. Empty for one that runs. Chains end, since inputs have no cycles.
func (v *view) why(i int) []Cause {
	n, s := &v.Nodes[i], &v.seen[i]
	if n.Why != nil {
		return n.Why
	}
	link := func(reason string, next int) []Cause {
		chain := []Cause{{Node: n.Name, Reason: reason}}
		if next >= 0 {
			chain = append(chain, v.why(next)...)
		}
		n.Why = chain
		return chain
	}
	const root = -1
	switch n.State {
	case StateRunning:
		switch {
		case s.left:
			return link("left running: what stands on it goes on in a stuck worker", root)
		case s.flag != nil && !*s.flag:
			return link(v.reason(s, "its flag is false"), root)
		case s.down:
			return link("is about to stop", root)
		}
		return nil
	case StateStarting:
		return link("starting for "+age(n.Since, v.Taken), root)
	case StateStopping:
		if at, found := v.index[s.holder]; found {
			return link("stopping: waits for "+s.holder, at)
		}
		if reason := v.reason(s, ""); reason != "" {
			return link("stopping: "+reason, root)
		}
		return link("stopping for "+age(n.Since, v.Taken), root)
	case StateStuck:
		if s.inStart {
			return link("its Start doesn't return, "+age(s.killedAt, v.Taken)+" after its context ended", root)
		}
		return link("ignores Kill for "+age(s.killedAt, v.Taken), root)
	case StateBackoff:
		return link(v.backoff(n, s), root)
	case StateFinished:
		if v.State != StateRunning {
			return link("stopped with the engine", root)
		}
		return link("has finished", root)
	case StateRemoved:
		return link("uninstalled itself: "+s.removed, root)
	}
	if next, name := v.lacking(s); name != "" {
		return link("waits for "+name, next)
	}
	if s.missing != "" {
		return link("can't start: "+s.missing, root)
	}
	return link("is about to start", root)
}

// lacking gives the input that a node waits for: of several the first whose chain ends in something
// that doesn't pass by itself.
func (v *view) lacking(s *seen) (at int, name string) {
	for _, input := range s.node.inputs {
		if s.node.optional[input] {
			continue
		}
		i, found := v.index[input]
		if found && v.seen[i].serves {
			continue
		}
		if !found { // can't be, for Check refuses it
			return -1, input
		}
		if name == "" {
			at, name = i, input
		}
		if chain := v.why(i); len(chain) > 0 && v.isCause(chain[len(chain)-1].Node) {
			return i, input
		}
	}
	return at, name
}

// isCause says whether a node that isn't running stands for more than that things take their time.
func (v *view) isCause(name string) bool {
	i := v.index[name]
	switch v.Nodes[i].State {
	case StateStarting, StateStopping:
		return false
	case StateBlocked:
		return v.seen[i].missing != ""
	case StateRunning:
		return !v.seen[i].down
	default:
		return true
	}
}

// reason is what the worker says of itself.
func (v *view) reason(s *seen, otherwise string) string {
	if s.call != nil && s.call.reason != "" {
		return s.call.reason
	}
	return otherwise
}

// backoff says why a node waits.
func (v *view) backoff(n *Node, s *seen) string {
	again := ""
	if v.State == StateRunning {
		again = "; again in " + brief(n.BackoffUntil.Sub(v.Taken))
	}
	switch {
	case s.bounces:
		return "asks to be restarted again and again" + again
	case s.failures == 1:
		return "failed: " + n.LastError + again
	default:
		return fmt.Sprintf("failed %d times: %s%s", s.failures, n.LastError, again)
	}
}

// brief rounds a duration for reading.
func brief(d time.Duration) string {
	switch {
	case d <= 0:
		return "0s"
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	default:
		return d.Round(time.Second).String()
	}
}
