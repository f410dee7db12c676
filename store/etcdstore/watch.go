package etcdstore

import (
	"context"
	"errors"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"

	"github.com/muster-go/muster/store"
)

// settled is how long a connection must have lasted for the next failure to count as the first.
const settled = time.Second

// watching is one call of Watch.
type watching struct {
	d      *driver
	prefix string
	emit   func(store.Event)

	begun bool // the snapshot was told
	stale bool
	rev   uint64    // up to which everything was told
	good  time.Time // when it was last known to be up to date
}

// Watch implements store.Driver. It reads, and watches from the revision after: etcd keeps what
// happens between the two. After each break it reads anew, since what stands at the other end by
// then may be another store, and no number tells so for sure.
func (d *driver) Watch(ctx context.Context, prefix string, emit func(store.Event)) error {
	w := &watching{d: d, prefix: prefix, emit: emit}
	var wait backoff
	for {
		began := d.cfg.Clock.Now()
		err := w.follow(ctx)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case d.ctx.Err() != nil:
			return store.ErrClosed
		case errors.Is(err, store.ErrInvalid) || errors.Is(err, store.ErrUnauthorized):
			return err
		case readAgain(err):
			w.good = d.cfg.Clock.Now()
		default:
			w.lost(err)
		}
		if d.cfg.Clock.Now().Sub(began) > settled {
			wait.reset()
		}
		if !errors.Is(err, errBehind) {
			wait.sleep(ctx, d)
		}
	}
}

// follow reads, and tells what happens, until the watch must read anew.
func (w *watching) follow(ctx context.Context) error {
	if err := w.d.mayBegin(ctx, "watch"); err != nil {
		return err
	}
	s, _, err := w.d.watches.get(ctx)
	if err != nil {
		return w.d.fault(ctx, "watch", false, err)
	}
	asked := w.d.cfg.Clock.Now()
	snapshot, err := w.d.List(ctx, w.prefix)
	if err != nil {
		return err
	}
	sub := s.subscribe(w.d.rangeOf(w.prefix), snapshot.Rev+1)
	defer s.unsubscribe(sub)
	w.tell(snapshot, asked)
	for {
		select {
		case <-sub.ready:
		case <-ctx.Done():
			return ctx.Err()
		case <-w.d.ctx.Done():
			return store.ErrClosed
		}
		events, err := sub.take()
		for _, e := range events {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			w.change(e)
		}
		if err != nil {
			if heard := s.lastHeard(); heard.After(w.good) {
				w.good = heard
			}
			if readAgain(err) {
				return err
			}
			return w.d.fault(ctx, "watch", true, err)
		}
	}
}

// tell tells everything.
func (w *watching) tell(snapshot store.Snapshot, at time.Time) {
	kind := store.EventReset
	if !w.begun {
		kind = store.EventSnapshot
	}
	if w.stale && w.d.down.Swap(false) {
		w.d.cfg.Logger.Info("etcd watches are back", "store", w.d.name)
	}
	w.begun, w.stale, w.rev, w.good = true, false, snapshot.Rev, at
	w.emit(store.Event{Kind: kind, Records: snapshot.Records, Rev: snapshot.Rev, Since: at})
}

// change tells one change.
func (w *watching) change(e *mvccpb.Event) {
	w.rev, w.good = uint64(e.Kv.ModRevision), w.d.cfg.Clock.Now()
	event := store.Event{Kind: store.EventPut, Record: w.d.record(e.Kv), Rev: w.rev}
	if e.Type == mvccpb.Event_DELETE {
		event.Kind, event.Record = store.EventDelete, store.Record{Key: event.Record.Key}
	}
	w.emit(event)
}

// lost tells, once, that what was told may be out of date.
func (w *watching) lost(err error) {
	if !w.begun || w.stale {
		return
	}
	w.stale = true
	if !w.d.down.Swap(true) {
		w.d.cfg.Logger.Warn("etcd watches are cut off", "store", w.d.name, "err", err)
	}
	w.emit(store.Event{Kind: store.EventStale, Rev: w.rev, Err: err, Since: w.good})
}
