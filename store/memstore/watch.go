package memstore

import (
	"context"
	"fmt"
	"time"

	"github.com/muster-go/muster/store"
)

// Backlog is how many events wait for a slow receiver; one that falls further behind gets
// EventReset.
const Backlog = 16384

// watch is what the service keeps of one; all but wake is guarded by the service's lock.
type watch struct {
	prefix string
	wake   chan struct{} // holds one value while there may be something to tell

	queue []store.Event
	lost  bool      // the queue isn't everything: a snapshot must come next
	told  bool      // the first snapshot was told
	stale bool      // EventStale was told and not taken back
	cutAt time.Time // zero unless the connection broke since the last take
	rev   uint64    // up to which everything was told
}

func (w *watch) notify() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

func (w *watch) push(e store.Event) {
	switch {
	case w.lost:
		return
	case len(w.queue) == Backlog:
		w.lose()
		return
	}
	w.queue = append(w.queue, e)
	w.notify()
}

func (w *watch) lose() {
	w.queue, w.lost = nil, true
	w.notify()
}

func (w *watch) cut(now time.Time) {
	if len(w.queue) > 0 {
		w.lose()
	}
	w.cutAt = now
	w.notify()
}

// Watch implements store.Driver. It calls emit on the caller's goroutine, without any lock: emit
// may use the store and may be slow. A watch that begins while the service is stopped says nothing
// until its snapshot.
func (d *Driver) Watch(ctx context.Context, prefix string, emit func(store.Event)) error {
	if err := checkPrefix(prefix); err != nil {
		return fmt.Errorf("memstore: watch: %w", err)
	}
	if err := d.usable(ctx); err != nil {
		return err
	}
	w := &watch{prefix: prefix, wake: make(chan struct{}, 1), lost: true}
	d.service.subscribe(w)
	defer d.service.unsubscribe(w)
	for {
		for _, e := range d.service.take(d, w) {
			if err := d.usable(ctx); err != nil {
				return err
			}
			emit(e)
		}
		select {
		case <-ctx.Done():
		case <-d.closed:
		case <-w.wake:
		}
		if err := d.usable(ctx); err != nil {
			return err
		}
	}
}

func (s *Service) subscribe(w *watch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.watches[w] = struct{}{}
	s.arm()
}

func (s *Service) unsubscribe(w *watch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.watches, w)
	s.arm()
}

// take gives what the watch must be told next, in order.
func (s *Service) take(d *Driver, w *watch) []store.Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expireDue()
	events := w.queue
	w.queue = nil
	if n := len(events); n > 0 {
		w.rev = events[n-1].Rev
	}
	if (!s.stopped.IsZero() || !w.cutAt.IsZero()) && w.told && !w.stale {
		events = append(events, s.staleness(w))
		w.stale = true
	}
	w.cutAt = time.Time{}
	if !s.stopped.IsZero() {
		return events
	}
	switch {
	case w.lost:
		d.requests.Add(1)
		e := store.Event{Kind: store.EventReset, Records: s.list(w.prefix).Records, Rev: s.data.rev, Since: s.clk.Now()}
		if !w.told {
			e.Kind = store.EventSnapshot
		}
		events = append(events, e)
		w.lost, w.told, w.stale = false, true, false
	case w.stale:
		events = append(events, store.Event{Kind: store.EventCurrent, Rev: s.data.rev})
		w.stale = false
	default:
		return events
	}
	w.rev = s.data.rev
	return events
}

func (s *Service) staleness(w *watch) store.Event {
	e := store.Event{Kind: store.EventStale, Rev: w.rev, Err: s.reachable(), Since: s.stopped}
	if e.Err == nil {
		e.Err = fmt.Errorf("memstore: the service restarted: %w", store.ErrUnreachable)
		e.Since = w.cutAt
	}
	return e
}

// publish tells every watch of the key; with the lock held.
func (s *Service) publish(e store.Event) {
	for w := range s.watches {
		if matches(w.prefix, e.Record.Key) {
			w.push(e)
		}
	}
}
