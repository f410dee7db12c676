package zkstore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/go-zookeeper/zk"

	"github.com/muster-go/muster/store"
)

// settled is how long a link must have lasted for the next failure to count as the first.
const settled = time.Second

// watch is one call of Watch.
type watch struct {
	d      *driver
	prefix string
	emit   func(store.Event)

	begun bool // the snapshot was told
	stale bool
	rev   uint64    // up to which everything was told
	good  time.Time // when it was last known to be up to date
	told  map[string]store.Record
}

// Watch implements store.Driver. After each break it reads anew: what answers by then may be another
// store.
func (d *driver) Watch(ctx context.Context, prefix string, emit func(store.Event)) error {
	what := fmt.Sprintf("watch %q", prefix)
	if err := checkPrefix(prefix); err != nil {
		return d.say(what, err)
	}
	w := &watch{d: d, prefix: prefix, emit: emit}
	var wait backoff
	for {
		began := d.cfg.clock.Now()
		err := w.follow(ctx, what)
		switch {
		case d.ctx.Err() != nil:
			return store.ErrClosed
		case ctx.Err() != nil:
			return ctx.Err()
		case permanent(err):
			return err
		}
		w.lost(err)
		if d.cfg.clock.Now().Sub(began) > settled {
			wait.reset()
		}
		wait.sleep(ctx, d)
	}
}

// follow tells everything, and then what happens, for as long as the link lasts.
func (w *watch) follow(ctx context.Context, what string) error {
	if err := w.d.mayBegin(ctx, what); err != nil {
		return err
	}
	l, err := w.d.linked(ctx, what)
	if err != nil {
		return err
	}
	asked := w.d.cfg.clock.Now()
	rev, err := w.d.present(ctx, l)
	if err != nil {
		return err
	}
	v := newView(l, []string{w.prefix})
	defer v.close()
	if err := v.refresh(ctx); err != nil {
		return err
	}
	w.everything(v.snapshot(rev), asked)
	clear(v.changed)
	for {
		select {
		case <-v.wake:
		case <-ctx.Done():
			return ctx.Err()
		case <-l.ctx.Done():
			if w.d.ctx.Err() != nil {
				return store.ErrClosed
			}
			w.good = l.lastHeard()
			return w.d.say(what, l.why())
		}
		events, err := w.news(ctx, v)
		if err != nil {
			return err
		}
		w.good = w.d.cfg.clock.Now()
		for _, e := range events {
			if ctx.Err() != nil || w.d.ctx.Err() != nil {
				return ctx.Err()
			}
			w.rev = e.Rev
			w.emit(e)
		}
	}
}

// lastHeard is when the server said something.
func (l *link) lastHeard() time.Time {
	l.client.mu.Lock()
	defer l.client.mu.Unlock()
	return l.d.base.Add(time.Duration(l.wire.heard.Load()))
}

// everything tells a snapshot.
func (w *watch) everything(s store.Snapshot, asked time.Time) {
	kind := store.EventReset
	if !w.begun {
		kind = store.EventSnapshot
	}
	if w.stale {
		w.d.cut(false, nil)
	}
	w.begun, w.stale, w.rev, w.good = true, false, s.Rev, asked
	w.told = make(map[string]store.Record, len(s.Records))
	for _, r := range s.Records {
		w.told[r.Key] = r
	}
	w.emit(store.Event{Kind: kind, Records: s.Records, Rev: s.Rev, Since: asked})
}

// news gives what has changed since it was last told, in the order of revisions. Of several records that
// went from one bucket, each has the revision at which the latest of them went.
func (w *watch) news(ctx context.Context, v *view) ([]store.Event, error) {
	var events []store.Event
	for {
		if err := v.refresh(ctx); err != nil {
			return nil, err
		}
		events = events[:0]
		for key, path := range v.changed {
			now, there := v.records[key]
			before, was := w.told[key]
			switch {
			case there && now.ModRev != before.ModRev:
				events = append(events, store.Event{Kind: store.EventPut, Record: now, Rev: now.ModRev})
			case !there && was:
				rev, err := v.wentAt(ctx, path)
				if err != nil {
					return nil, err
				}
				events = append(events, store.Event{Kind: store.EventDelete, Record: before, Rev: rev})
			}
		}
		if v.clean() { // still: what was asked meanwhile belongs to the same moment
			break
		}
	}
	clear(v.changed)
	for _, e := range events {
		if e.Kind == store.EventPut {
			w.told[e.Record.Key] = e.Record
		} else {
			delete(w.told, e.Record.Key)
		}
	}
	slices.SortFunc(events, func(a, b store.Event) int {
		return cmp.Or(cmp.Compare(a.Rev, b.Rev), cmp.Compare(a.Record.Key, b.Record.Key))
	})
	return events, nil
}

// clean tells that nothing must be read again.
func (v *view) clean() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return len(v.soiled) == 0
}

// wentAt is the revision at which the node went that stood at the path, or a later one below which nothing
// else is left to tell.
func (v *view) wentAt(ctx context.Context, path string) (uint64, error) {
	for path = parentOf(path); ; path = parentOf(path) {
		if n := v.nodes[path]; n != nil && n.found {
			return uint64(n.stat.Pzxid), nil
		}
		stat, err := ask(ctx, v.l.client, "see "+path, func(z *zk.Conn) (*zk.Stat, error) {
			there, stat, err := z.Exists(path)
			if err == nil && !there {
				err = zk.ErrNoNode
			}
			return stat, err
		})
		if err == nil {
			return uint64(stat.Pzxid), nil
		}
		if !errors.Is(err, zk.ErrNoNode) || path == v.l.d.path(recordsNode) {
			return 0, v.l.d.lacking(v.l, err)
		}
	}
}

// lost tells, once, that what was told may be out of date.
func (w *watch) lost(err error) {
	if !w.begun || w.stale {
		return
	}
	w.stale = true
	w.d.cut(true, err)
	w.emit(store.Event{Kind: store.EventStale, Rev: w.rev, Err: err, Since: w.good})
}

// cut logs, once for all watches, that they are cut off, or back.
func (d *driver) cut(down bool, err error) {
	d.mu.Lock()
	news := d.down != down
	d.down = down
	d.mu.Unlock()
	switch {
	case news && down:
		d.cfg.logger.Warn("ZooKeeper watches are cut off", "store", d.name, "err", err)
	case news:
		d.cfg.logger.Info("ZooKeeper watches are back", "store", d.name)
	}
}
