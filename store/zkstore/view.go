package zkstore

import (
	"context"
	"maps"
	"slices"
	"sync"

	"github.com/muster-go/muster/store"
)

// view is what stands below some prefixes, followed by watches. A server tells of a change before it
// answers anything that shows it, or a later one; so once no node is soiled, the view is the state of one
// moment, that of the latest answer. All but soil is for one goroutine.
type view struct {
	l     *link
	roots []string // the paths that are there even while their nodes aren't
	wake  chan struct{}

	mu     sync.Mutex
	soiled map[string]bool // to be read again

	nodes   map[string]*seen // by path
	records map[string]store.Record
	changed map[string]string // keys of records that may have changed since they were last told, and their paths
}

// seen is a node of a view.
type seen struct {
	place
	node
	kids map[string]bool // paths
}

func newView(l *link, prefixes []string) *view {
	v := &view{
		l: l, wake: make(chan struct{}, 1), soiled: map[string]bool{},
		nodes: map[string]*seen{}, records: map[string]store.Record{}, changed: map[string]string{},
	}
	for _, prefix := range prefixes {
		at := l.d.placeOf(prefix)
		v.roots = append(v.roots, at.path)
		v.add(at)
	}
	return v
}

// soil says that a node must be read again.
func (v *view) soil(path string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.soiled[path] = true
	select {
	case v.wake <- struct{}{}:
	default:
	}
}

func (v *view) add(at place) {
	if v.nodes[at.path] != nil {
		return
	}
	v.nodes[at.path] = &seen{place: at}
	v.l.subscribe(v, at.path)
	v.soil(at.path)
}

// drop forgets a node and what is below it.
func (v *view) drop(path string) {
	n := v.nodes[path]
	if n == nil {
		return
	}
	for kid := range n.kids {
		v.drop(kid)
	}
	if n.kind == recordPlace {
		v.gone(n)
	}
	delete(v.nodes, path)
	v.l.unsubscribe(v, path)
}

func (v *view) gone(n *seen) {
	if _, there := v.records[n.prefix]; there {
		delete(v.records, n.prefix)
		v.changed[n.prefix] = n.path
	}
}

func (v *view) close() {
	for path := range v.nodes {
		v.l.unsubscribe(v, path)
	}
}

// take gives the nodes that must be read.
func (v *view) take() []*seen {
	v.mu.Lock()
	defer v.mu.Unlock()
	var dirty []*seen
	for path := range v.soiled {
		if n := v.nodes[path]; n != nil {
			dirty = append(dirty, n)
		}
	}
	clear(v.soiled)
	return dirty
}

// refresh reads what changed, until nothing more has.
func (v *view) refresh(ctx context.Context) error {
	for {
		dirty := v.take()
		if len(dirty) == 0 {
			return nil
		}
		nodes, errs := make([]node, len(dirty)), make([]error, len(dirty))
		parallel(len(dirty), func(i int) {
			root := slices.Contains(v.roots, dirty[i].path)
			if dirty[i].kind == recordPlace {
				nodes[i], errs[i] = v.l.get(ctx, dirty[i].path, root)
			} else {
				nodes[i], errs[i] = v.l.list(ctx, dirty[i].path, root)
			}
		})
		for i, n := range dirty {
			if errs[i] != nil {
				return errs[i]
			}
			if v.nodes[n.path] == n { // it wasn't dropped with its parent
				v.apply(n, nodes[i])
			}
		}
	}
}

// apply takes in what was read.
func (v *view) apply(n *seen, now node) {
	n.node = now
	if !now.found && !slices.Contains(v.roots, n.path) {
		v.drop(n.path)
		v.soil(parentOf(n.path)) // it may be there again, and its parent's list be newer than this
		return
	}
	if n.kind == recordPlace {
		if r, _, ok := decode(n.prefix, now); ok {
			v.records[r.Key] = r
			v.changed[r.Key] = n.path
		} else {
			v.gone(n)
		}
		return
	}
	kids := map[string]bool{}
	for _, name := range now.children {
		if kid, ok := n.child(name); ok {
			kids[kid.path] = true
			v.add(kid)
		}
	}
	for kid := range n.kids {
		if !kids[kid] {
			v.drop(kid)
		}
	}
	n.kids = kids
}

// snapshot is all of it, at a revision that is at least rev.
func (v *view) snapshot(rev uint64) store.Snapshot {
	for _, n := range v.nodes {
		if n.found {
			rev = max(rev, revision(n.stat))
		}
	}
	return store.Snapshot{Records: slices.SortedFunc(maps.Values(v.records), store.CompareRecords), Rev: rev}
}
