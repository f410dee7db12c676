package tracker

import (
	"context"
	"fmt"
	"sync"

	"github.com/muster-go/muster/claimer"
)

// EventKind says what an Event tells.
type EventKind int

// The kinds of events.
const (
	BecameLeader    EventKind = iota + 1 // Claim is ours
	BecameMinion                         // this process doesn't lead, or no longer; Claim, if any, was ours
	LeaderElsewhere                      // this process doesn't lead; Claim is the leader's
	ErrorSeen                            // Err will be retried; Leading says whether leadership goes on
	Done                                 // the last event: Err is what ended the tracker (nil: Kill), or the observer's context
)

// String names the kind.
func (k EventKind) String() string {
	switch k {
	case BecameLeader:
		return "became leader"
	case BecameMinion:
		return "became minion"
	case LeaderElsewhere:
		return "leader elsewhere"
	case ErrorSeen:
		return "error"
	case Done:
		return "done"
	}
	return fmt.Sprintf("event kind %d", int(k))
}

// Event is a change that an observer hears of. It tells what was; whether this process leads now is
// for Leadership and the tickets to say.
type Event struct {
	Kind    EventKind
	Claim   claimer.Claim
	Leading bool   // whether this process led then
	Err     error  // ErrorSeen, Done
	Missed  uint64 // events that were left out before this one, because the reader was slow
}

// watchers hands events to observers without ever waiting for one.
type watchers struct {
	mu     sync.Mutex
	all    map[*watcher]struct{}
	last   Event // the latest state, for a new observer
	closed bool
	err    error
}

type watcher struct {
	ch     chan Event
	forget func() bool // stops watching the observer's context
}

// put replaces an event that wasn't read; with the lock held, so that it is the only sender.
func (o *watcher) put(e Event) {
	select {
	case unread := <-o.ch:
		e.Missed = unread.Missed + 1
	default:
	}
	o.ch <- e
}

func (o *watcher) end(err error) {
	o.put(Event{Kind: Done, Err: err})
	close(o.ch)
}

func (ws *watchers) tell(e Event) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	if e.Kind != ErrorSeen {
		ws.last = e
	}
	for o := range ws.all {
		o.put(e)
	}
}

func (ws *watchers) close(err error) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	ws.closed, ws.err = true, err
	for o := range ws.all {
		o.forget()
		o.end(err)
	}
	ws.all = nil
}

// Observe tells, from the present state on, of each change. A slow reader gets the latest event,
// with the number Missed. The last one is Done, after the tracker's end or ctx's; then the channel
// is closed. An unread channel costs nothing and holds nothing up.
func (w *Worker) Observe(ctx context.Context) <-chan Event {
	ws, o := &w.watchers, &watcher{ch: make(chan Event, 1)}
	ws.mu.Lock()
	defer ws.mu.Unlock()
	if ws.closed {
		o.end(ws.err)
		return o.ch
	}
	if ws.last.Kind != 0 {
		o.put(ws.last)
	}
	if ws.all == nil {
		ws.all = map[*watcher]struct{}{}
	}
	ws.all[o] = struct{}{}
	o.forget = context.AfterFunc(ctx, func() {
		ws.mu.Lock()
		defer ws.mu.Unlock()
		if _, ok := ws.all[o]; ok {
			delete(ws.all, o)
			o.end(ctx.Err())
		}
	})
	return o.ch
}
