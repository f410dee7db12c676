package feed

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/muster-go/muster/store"
	"github.com/muster-go/muster/store/sqlstore/internal/keys"
)

// queueMax is how many events wait for a slow watch before it is told everything anew instead.
const queueMax = 4096

// StaleAfter is how long reading may fail until watches are told.
const StaleAfter = 250 * time.Millisecond

// Config says what a feed needs.
type Config[F comparable] struct {
	// List reads a prefix, and gives the origin of what it read.
	List func(ctx context.Context, prefix string) (store.Snapshot, F, error)
	// Clock times what a feed waits for.
	Clock store.Clock
	// Retry is the time between two tries to list.
	Retry time.Duration
	// Closing is closed when the driver closes.
	Closing <-chan struct{}
	// Fatal tells whether an error of List ends a watch.
	Fatal func(error) bool
}

// Item is what the loop tells watches.
type Item[F comparable] struct {
	Kind   store.EventKind
	From   F
	Any    bool // EventReset: of whatever origin
	Rev    uint64
	Record store.Record
	Err    error
	Since  time.Time
}

// Feed is what all watches of a driver share.
type Feed[F comparable] struct {
	cfg Config[F]

	mu       sync.Mutex
	watchers map[*watcher[F]]struct{}
}

// New makes a feed.
func New[F comparable](cfg Config[F]) *Feed[F] {
	return &Feed[F]{cfg: cfg, watchers: map[*watcher[F]]struct{}{}}
}

// Tell queues items for all watches; it never waits for them.
func (f *Feed[F]) Tell(items ...Item[F]) {
	if len(items) == 0 {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for w := range f.watchers {
		w.add(items)
	}
}

// Watch implements store.Driver. It runs emit on the caller's goroutine.
func (f *Feed[F]) Watch(ctx context.Context, prefix string, emit func(store.Event)) error {
	w := &watcher[F]{prefix: prefix, ready: make(chan struct{}, 1)}
	f.mu.Lock()
	f.watchers[w] = struct{}{} // before the first read: nothing falls between
	f.mu.Unlock()
	defer func() {
		f.mu.Lock()
		delete(f.watchers, w)
		f.mu.Unlock()
	}()
	kind, last := store.EventSnapshot, told{}
	for {
		asked := f.cfg.Clock.Now()
		snapshot, from, err := f.cfg.List(ctx, prefix)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		switch {
		case err == nil:
			emit(store.Event{Kind: kind, Records: snapshot.Records, Rev: snapshot.Rev, Since: asked})
			kind, last = store.EventReset, told{rev: snapshot.Rev, base: snapshot.Rev}
			if err := f.follow(ctx, w, from, &last, emit); err != nil {
				return err
			}
			continue
		case f.cfg.Fatal(err):
			return err
		case kind == store.EventReset && !last.stale && f.cfg.Clock.Now().Sub(last.good) >= StaleAfter:
			last.stale = true
			emit(store.Event{Kind: store.EventStale, Rev: last.rev, Err: opaque(err), Since: last.good})
		}
		if err := f.sleep(ctx); err != nil {
			return err
		}
	}
}

func (f *Feed[F]) sleep(ctx context.Context) error {
	timer := f.cfg.Clock.NewTimer(f.cfg.Retry)
	defer timer.Stop()
	select {
	case <-timer.Chan():
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-f.cfg.Closing:
		return store.ErrClosed
	}
}

// told is what a watch has told its receiver.
type told struct {
	rev   uint64
	base  uint64    // of the snapshot: what came with it isn't told again
	good  time.Time // when it last followed the store
	stale bool
}

// follow emits what the loop tells, until everything must be read anew (nil).
func (f *Feed[F]) follow(ctx context.Context, w *watcher[F], from F, last *told, emit func(store.Event)) error {
	for {
		select {
		case <-w.ready:
		case <-ctx.Done():
			return ctx.Err()
		case <-f.cfg.Closing:
			return store.ErrClosed
		}
		for _, it := range w.take() {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			switch it.Kind {
			case store.EventReset:
				if it.Any || it.From != from {
					last.good = f.cfg.Clock.Now()
					return nil
				}
			case store.EventStale:
				if !last.stale {
					last.stale = true
					emit(store.Event{Kind: store.EventStale, Rev: last.rev, Err: it.Err, Since: it.Since})
				}
			case store.EventCurrent:
				if last.stale && it.From == from {
					last.stale = false
					emit(store.Event{Kind: store.EventCurrent, Rev: last.rev})
				}
			default:
				if it.From == from && it.Rev > last.base { // those of one batch share a revision
					last.rev, last.stale = it.Rev, false
					emit(store.Event{Kind: it.Kind, Record: it.Record, Rev: it.Rev})
				}
			}
		}
	}
}

// watcher is the queue between the loop and one Watch.
type watcher[F comparable] struct {
	prefix string
	ready  chan struct{} // capacity 1

	mu    sync.Mutex
	items []Item[F]
}

func (w *watcher[F]) add(items []Item[F]) {
	w.mu.Lock()
	defer w.mu.Unlock()
	before := len(w.items)
	for _, it := range items {
		switch {
		case it.Kind == store.EventReset:
			w.items = append(w.items[:0], it)
			before = -1
		case it.Kind == store.EventStale && len(w.items) > 0 && w.items[len(w.items)-1].Kind == store.EventStale:
		case it.Record.Key == "" || keys.In(w.prefix, it.Record.Key):
			w.items = append(w.items, it)
		}
	}
	if len(w.items) > queueMax {
		w.items = append(w.items[:0], Item[F]{Kind: store.EventReset, Any: true})
	}
	if len(w.items) != before {
		select {
		case w.ready <- struct{}{}:
		default:
		}
	}
}

func (w *watcher[F]) take() []Item[F] {
	w.mu.Lock()
	defer w.mu.Unlock()
	items := w.items
	w.items = nil
	return items
}

// opaque keeps the words of an error and drops its class: a watch that goes on is told nothing
// permanent.
func opaque(err error) error { return errors.New(err.Error()) }
