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
	seen := map[*node]bool{}
	for input := range n.optional {
		if x := n.g.nodes[input]; x != nil && !x.isUp() && x.isComing(seen) {
			return until, true
		}
	}
	return time.Time{}, false
}

// isComing says whether a node that isn't up will be, unless something fails or takes long. Those in
// seen have been asked: it would be asked again over each path to it.
func (n *node) isComing(seen map[*node]bool) (coming bool) {
	if known, asked := seen[n]; asked {
		return known
	}
	defer func() { seen[n] = coming }()
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
		if x := n.g.nodes[input]; x == nil || !x.serves() && (x.isUp() || !x.isComing(seen)) {
			return false
		}
	}
	return true
}
