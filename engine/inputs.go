package engine

import "time"

// lacks says whether a required input isn't up.
func (n *node) lacks() bool {
	for _, input := range n.inputs {
		if n.optional[input] {
			continue
		}
		if x := n.g.nodes[input]; x == nil || !x.serves() {
			return true
		}
	}
	return false
}

// isUp says whether the node's worker is up and isn't about to stop.
func (n *node) isUp() bool { return n.run != nil && n.run.up && !n.down }

// serves says whether what requires the node may run.
func (n *node) serves() bool { return n.isUp() && (n.run.flag == nil || *n.run.flag) }

// awaitsOptional says whether the node waits, and until when, for optional inputs that are about to
// be up: so it isn't started twice when everything starts, or when such an input is bounced.
func (n *node) awaitsOptional(now time.Time) (until time.Time, awaits bool) {
	if n.soonest.IsZero() {
		n.soonest = now
	}
	until = n.soonest.Add(n.g.config.RestartDelay)
	if !now.Before(until) {
		return time.Time{}, false
	}
	for input := range n.optional {
		if x := n.g.nodes[input]; x != nil && !x.isUp() && x.isComing() {
			return until, true
		}
	}
	return time.Time{}, false
}

// isComing says whether a node that isn't up will be, unless something fails or takes long.
func (n *node) isComing() bool {
	switch r := n.run; {
	case n.removing:
		return false
	case r != nil && !n.down:
		return true // its Start runs
	case (r == nil || r.ended) && n.idle != "" && !n.changed:
		return false // it failed, has finished or misses something
	}
	for _, input := range n.inputs {
		if n.optional[input] {
			continue
		}
		if x := n.g.nodes[input]; x == nil || !x.serves() && (x.isUp() || !x.isComing()) {
			return false
		}
	}
	return true
}
