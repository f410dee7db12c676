package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"sync"
	"time"

	"github.com/muster-go/muster/store"
)

// queueMax is how many events wait for a slow watch before it is told everything anew instead.
const queueMax = 4096

// change is a row of the change log, or all null.
type change struct {
	rev, created, modified sql.Null[uint64]
	deleted                sql.Null[int]
	key, session           sql.NullString
	live                   bool
}

// item is what the poll loop tells watches.
type item struct {
	kind   store.EventKind
	from   *handle // the database that it is about; nil (EventReset): any
	rev    uint64
	record store.Record
	err    error
	since  time.Time
}

// watcher is the queue between the poll loop and one Watch.
type watcher struct {
	prefix string
	ready  chan struct{} // capacity 1

	mu    sync.Mutex
	items []item
}

// tell queues items for all watches; it never waits for them.
func (d *driver) tell(items ...item) {
	if len(items) == 0 {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for w := range d.watchers {
		w.add(items)
	}
}

func (w *watcher) add(items []item) {
	w.mu.Lock()
	defer w.mu.Unlock()
	before := len(w.items)
	for _, it := range items {
		switch {
		case it.kind == store.EventReset:
			w.items = append(w.items[:0], it)
			before = -1
		case it.record.Key == "" || inPrefix(w.prefix, it.record.Key):
			w.items = append(w.items, it)
		}
	}
	if len(w.items) > queueMax {
		w.items = append(w.items[:0], item{kind: store.EventReset})
	}
	if len(w.items) != before {
		select {
		case w.ready <- struct{}{}:
		default:
		}
	}
}

func (w *watcher) take() []item {
	w.mu.Lock()
	defer w.mu.Unlock()
	items := w.items
	w.items = nil
	return items
}

// Watch implements store.Driver. It runs emit on the caller's goroutine.
func (d *driver) Watch(ctx context.Context, prefix string, emit func(store.Event)) error {
	w := &watcher{prefix: prefix, ready: make(chan struct{}, 1)}
	d.mu.Lock()
	if d.closed {
		d.mu.Unlock()
		return store.ErrClosed
	}
	d.watchers[w] = struct{}{} // before the first read: nothing falls between
	d.mu.Unlock()
	defer func() {
		d.mu.Lock()
		delete(d.watchers, w)
		d.mu.Unlock()
	}()
	kind, last := store.EventSnapshot, told{}
	for {
		asked := d.cfg.Clock.Now()
		snapshot, from, err := d.list(ctx, prefix)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		switch {
		case err == nil:
			emit(store.Event{Kind: kind, Records: snapshot.Records, Rev: snapshot.Rev, Since: asked})
			kind, last = store.EventReset, told{rev: snapshot.Rev}
			if err := d.follow(ctx, w, from, &last, emit); err != nil {
				return err
			}
			continue
		case errors.Is(err, store.ErrInvalid), errors.Is(err, store.ErrClosed):
			return err
		case kind == store.EventReset && !last.stale && d.cfg.Clock.Now().Sub(last.good) >= staleAfter:
			last.stale = true
			emit(store.Event{Kind: store.EventStale, Rev: last.rev, Err: opaque(err), Since: last.good})
		}
		if err := sleep(ctx, d.cfg.Clock, d.cfg.Poll, d.closing); err != nil {
			return err
		}
	}
}

// told is what a watch has told its receiver.
type told struct {
	rev   uint64
	good  time.Time // when it last followed the store
	stale bool
}

// follow emits what the poll loop tells, until everything must be read anew (nil).
func (d *driver) follow(ctx context.Context, w *watcher, from *handle, last *told, emit func(store.Event)) error {
	for {
		select {
		case <-w.ready:
		case <-ctx.Done():
			return ctx.Err()
		case <-d.closing:
			return store.ErrClosed
		}
		for _, it := range w.take() {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			switch it.kind {
			case store.EventReset:
				if it.from == nil || it.from != from {
					last.good = d.cfg.Clock.Now()
					return nil
				}
			case store.EventStale:
				last.stale = true
				emit(store.Event{Kind: store.EventStale, Rev: last.rev, Err: it.err, Since: it.since})
			case store.EventCurrent:
				if last.stale && it.from == from {
					last.stale = false
					emit(store.Event{Kind: store.EventCurrent, Rev: last.rev})
				}
			default:
				if it.from == from && it.rev > last.rev {
					last.rev, last.stale = it.rev, false
					emit(store.Event{Kind: it.kind, Record: it.record, Rev: it.rev})
				}
			}
		}
	}
}
