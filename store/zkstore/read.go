package zkstore

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/go-zookeeper/zk"

	"github.com/muster-go/muster/store"
)

// List implements store.Driver.
func (d *driver) List(ctx context.Context, prefix string) (store.Snapshot, error) {
	return d.read(ctx, fmt.Sprintf("list %q", prefix), prefix)
}

// ListPair implements store.PairLister.
func (d *driver) ListPair(ctx context.Context, first, second string) (store.Snapshot, store.Snapshot, error) {
	both, err := d.read(ctx, fmt.Sprintf("list %q and %q", first, second), first, second)
	if err != nil {
		return store.Snapshot{}, store.Snapshot{}, err
	}
	part := func(prefix string) store.Snapshot {
		of := store.Snapshot{Rev: both.Rev}
		for _, r := range both.Records {
			if matches(prefix, r.Key) {
				of.Records = append(of.Records, r)
			}
		}
		return of
	}
	return part(first), part(second), nil
}

func isFolder(prefix string) bool { return prefix == "" || strings.HasSuffix(prefix, "/") }

func matches(prefix, key string) bool {
	if isFolder(prefix) {
		return strings.HasPrefix(key, prefix)
	}
	return key == prefix
}

// passes is how often a read is tried that leaves no watches behind.
const passes = 3

// read gives what stands below several prefixes at one revision. It reads until two passes in a row see
// the same, the second of them after a write of its own was answered: then the state is that of the
// moment between the two, and no older than the write, whatever the server that answers lags behind.
// Where others write all the time it follows them by watches instead.
func (d *driver) read(ctx context.Context, what string, prefixes ...string) (store.Snapshot, error) {
	for _, prefix := range prefixes {
		if err := checkPrefix(prefix); err != nil {
			return store.Snapshot{}, d.say(what, err)
		}
	}
	if err := d.mayBegin(ctx, what); err != nil {
		return store.Snapshot{}, err
	}
	l, err := d.linked(ctx, what)
	if err != nil {
		return store.Snapshot{}, err
	}
	var rev uint64
	var before *pass
	errs := make([]error, 2)
	parallel(2, func(i int) {
		if i == 0 {
			rev, errs[i] = d.present(ctx, l)
		} else {
			before, errs[i] = d.pass(ctx, l, prefixes, nil)
		}
	})
	if err := errors.Join(errs...); err != nil {
		return store.Snapshot{}, err
	}
	for range passes {
		after, err := d.pass(ctx, l, prefixes, before)
		if err != nil {
			return store.Snapshot{}, err
		}
		if after.same(before) {
			return after.snapshot(rev), nil
		}
		before = after
	}
	v := newView(l, prefixes)
	defer v.close()
	if err := v.refresh(ctx); err != nil {
		return store.Snapshot{}, err
	}
	return v.snapshot(rev), nil
}

// present gives a revision of the present: all that was committed before it was asked for is below it,
// and is seen by what is read over the same link from then on.
func (d *driver) present(ctx context.Context, l *link) (uint64, error) {
	stat, err := ask(ctx, l.client, "write "+d.path(clockNode), func(z *zk.Conn) (*zk.Stat, error) { return z.Set(d.path(clockNode), nil, -1) })
	if err != nil {
		return 0, d.lacking(l, err)
	}
	return uint64(stat.Mzxid), nil
}

// lacking sees to it that a store whose own nodes are missing is prepared anew.
func (d *driver) lacking(l *link, err error) error {
	if errors.Is(err, zk.ErrNoNode) {
		l.finish(fmt.Errorf("%s lacks nodes of the store's", d.cfg.shownRoot()), true)
		return fmt.Errorf("%s: its nodes are missing below %s, and will be made anew: %w", d.name, d.cfg.shownRoot(), store.ErrUnreachable)
	}
	return err
}

// pass is what was seen by reading each node once.
type pass struct {
	folders map[string]int64 // by path: when a child came or went last; of buckets too
	records map[string]store.Record
	latest  uint64 // revision of a change
}

// same tells whether two passes saw the same.
func (p *pass) same(q *pass) bool {
	return maps.Equal(p.folders, q.folders) &&
		maps.EqualFunc(p.records, q.records, func(a, b store.Record) bool { return a.ModRev == b.ModRev })
}

func (p *pass) snapshot(rev uint64) store.Snapshot {
	return store.Snapshot{Records: slices.SortedFunc(maps.Values(p.records), store.CompareRecords), Rev: max(rev, p.latest)}
}

// place is a node that is to be read.
type place struct {
	path   string
	kind   placeKind
	prefix string // of the keys below a folder or a bucket; of a record its key
}

type placeKind int

const (
	folderPlace placeKind = iota + 1
	bucketPlace
	recordPlace
)

// placeOf is where a prefix begins.
func (d *driver) placeOf(prefix string) place {
	if isFolder(prefix) {
		return place{d.folderOf(prefix), folderPlace, prefix}
	}
	return place{d.nodeOf(prefix), recordPlace, prefix}
}

// child is what a node in a folder or a bucket is; false: nothing of the store's.
func (p place) child(name string) (place, bool) {
	path := p.path + "/" + name
	if p.kind == bucketPlace {
		return place{path, recordPlace, p.prefix + name}, true
	}
	if segment, ok := strings.CutPrefix(name, dirMark); ok {
		return place{path, folderPlace, p.prefix + segment + "/"}, true
	}
	return place{path, bucketPlace, p.prefix}, strings.HasPrefix(name, bucketMark)
}

// pass reads each node below the prefixes once, and the values only of those that before doesn't have.
func (d *driver) pass(ctx context.Context, l *link, prefixes []string, before *pass) (*pass, error) {
	p := &pass{folders: map[string]int64{}, records: map[string]store.Record{}}
	var places []place
	for _, prefix := range prefixes {
		places = append(places, d.placeOf(prefix))
	}
	for len(places) > 0 {
		nodes, errs := make([]node, len(places)), make([]error, len(places))
		parallel(len(places), func(i int) { nodes[i], errs[i] = l.look(ctx, places[i], before) })
		var next []place
		for i, at := range places {
			if errs[i] != nil {
				return nil, errs[i]
			}
			if at.kind == recordPlace {
				if r, _, ok := decode(at.prefix, nodes[i]); ok {
					p.records[r.Key] = r
					p.latest = max(p.latest, r.ModRev)
				}
				continue
			}
			p.folders[at.path] = 0
			if !nodes[i].found {
				continue
			}
			p.folders[at.path] = nodes[i].stat.Pzxid
			p.latest = max(p.latest, revision(nodes[i].stat))
			for _, name := range nodes[i].children {
				if child, ok := at.child(name); ok {
					next = append(next, child)
				}
			}
		}
		places = next
	}
	return p, nil
}

// look reads one node and watches nothing.
func (l *link) look(ctx context.Context, at place, before *pass) (node, error) {
	var known store.Record
	if at.kind == recordPlace && before != nil {
		known = before.records[at.prefix]
	}
	n, err := ask(ctx, l.client, "read "+at.path, func(z *zk.Conn) (n node, err error) {
		var stat *zk.Stat
		switch {
		case at.kind != recordPlace:
			n.children, stat, err = z.Children(at.path)
			n.found = err == nil
		case known.ModRev != 0:
			n.found, stat, err = z.Exists(at.path)
		}
		if err == nil && at.kind == recordPlace && (!n.found || uint64(stat.Mzxid) != known.ModRev) {
			n.value, stat, err = z.Get(at.path)
			n.found = err == nil
		} else if err == nil && at.kind == recordPlace {
			n.value = encode(known.CreateRev, known.Value)
		}
		if err == nil {
			n.stat = *stat
		}
		return n, err
	})
	if errors.Is(err, zk.ErrNoNode) {
		return node{}, nil
	}
	return n, err
}
