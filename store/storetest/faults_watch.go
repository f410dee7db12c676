package storetest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/muster-go/muster/store"
)

// disturbed is one watch and what a fault did to it so far. Its fields belong to the goroutine that
// calls emit, which is one at a time.
type disturbed struct {
	f     *Faults
	first *active // a limited fault that took this watch as it began
	emit  func(store.Event)

	told  bool // the first snapshot was told
	stale bool
	rev   uint64
	since time.Time // when an event was told last
}

// Watch implements store.Driver.
func (f *Faults) Watch(ctx context.Context, prefix string, emit func(store.Event)) error {
	select {
	case <-f.closed:
		return errClosed()
	default:
	}
	w := &disturbed{f: f, emit: emit}
	if a := f.begin(Watch); a != nil && a.limited {
		w.first = a
	}
	for {
		cuts, err := w.ready(ctx)
		if err != nil {
			return err
		}
		if over, err := w.connect(ctx, prefix, cuts); over {
			return err
		}
	}
}

func (a *active) cuts() bool {
	return a != nil && (a.Kind == Fail || a.Kind == DropRequest || a.Kind == DropReply)
}

func (a *active) silences() bool { return a != nil && (a.Kind == Hang || a.Kind == LateReply) }

// fault gives what disturbs the watch now, or nil; how often all watches have been cut; and when to
// ask again.
func (w *disturbed) fault() (*active, int, <-chan struct{}) {
	w.f.mu.Lock()
	defer w.f.mu.Unlock()
	if w.first != nil && w.first.ops[Watch] {
		return w.first, w.f.cuts, w.f.changed
	}
	for _, a := range w.f.faults {
		if a.ops[Watch] && !a.limited {
			return a, w.f.cuts, w.f.changed
		}
	}
	return nil, w.f.cuts, w.f.changed
}

// ready waits until nothing keeps the watch from its service, and gives the number of cuts so far.
func (w *disturbed) ready(ctx context.Context) (int, error) {
	for {
		a, cuts, changed := w.fault()
		gaveUp := ctx.Done()
		switch {
		case a.silences():
			gaveUp = nil
		case a.cuts():
			if err := a.err(); errors.Is(err, store.ErrInvalid) || errors.Is(err, store.ErrUnauthorized) || errors.Is(err, store.ErrClosed) {
				return 0, err
			}
		default:
			return cuts, ctx.Err()
		}
		select {
		case <-changed:
		case <-gaveUp:
			return 0, fmt.Errorf("storetest: watch: %w", ctx.Err())
		case <-w.f.closed:
			return 0, errClosed()
		}
	}
}

// connect watches until the connection is cut (false) or the watch is over.
func (w *disturbed) connect(ctx context.Context, prefix string, cuts int) (bool, error) {
	connection, cut := context.WithCancel(ctx)
	defer cut()
	over := make(chan struct{})
	watchdog := make(chan struct{})
	go func() {
		defer close(watchdog)
		for {
			_, now, changed := w.fault()
			if now != cuts {
				cut()
				return
			}
			select {
			case <-changed:
			case <-over:
				return
			}
		}
	}()
	err := w.f.inner.Watch(connection, prefix, func(e store.Event) { w.tell(connection, cuts, e) })
	close(over)
	<-watchdog
	if ctx.Err() == nil && connection.Err() != nil && !errors.Is(err, store.ErrClosed) {
		w.goStale()
		return false, nil
	}
	// A watch that is silenced doesn't return either.
	if a, _, _ := w.fault(); a.silences() && !w.f.hold(a, Watch) {
		return true, errClosed()
	}
	return true, err
}

// goStale tells that the connection was cut.
func (w *disturbed) goStale() {
	if !w.told || w.stale {
		return
	}
	w.f.mu.Lock()
	err := w.f.cutErr
	w.f.mu.Unlock()
	w.stale = true
	w.emit(store.Event{Kind: store.EventStale, Rev: w.rev, Err: err, Since: w.since})
}

// tell passes one event on, unless the connection is cut before.
func (w *disturbed) tell(connection context.Context, cuts int, e store.Event) {
	for {
		a, now, changed := w.fault()
		if now != cuts {
			return
		}
		if !a.silences() {
			if a != nil && a.Kind == Delay && w.f.delay(connection, a, Watch) != nil {
				return
			}
			break
		}
		select {
		case <-changed:
		case <-w.f.closed:
			return
		}
	}
	if connection.Err() != nil {
		return
	}
	if e.Kind == store.EventSnapshot && w.told {
		e.Kind = store.EventReset
	}
	switch e.Kind {
	case store.EventStale:
		w.stale = true
	case store.EventCurrent:
		w.stale = false
	default:
		w.told, w.stale = true, false
	}
	w.rev = e.Rev
	w.since = w.f.clk.Now()
	w.emit(e)
}
