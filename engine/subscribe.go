package engine

import (
	"context"
	"time"
)

// EventKind says what happened to a manifold.
type EventKind string

// The kinds of events.
const (
	EventStarted EventKind = "started" // a worker is up
	EventStopped EventKind = "stopped" // a worker ended, asked to or without an error
	EventFailed  EventKind = "failed"  // a worker or its Start failed: Err
	EventBlocked EventKind = "blocked" // it can't start: an input isn't up, or Err, a dependency.ErrMissing
	// EventDropped is the last event of a subscription that missed events after those that it got.
	EventDropped EventKind = "dropped"
)

// Event is what happened to one manifold.
type Event struct {
	Kind EventKind
	Node string
	At   time.Time // on the engine's clock
	Err  error
	// Cause is why it was started again, or why it was stopped and will be; empty for a first start.
	Cause RestartCause
	// Missed is how many events were dropped just before this one, because the buffer was full.
	Missed uint64
}

// subscription is one reader of events; guarded by the graph's mu.
type subscription struct {
	events chan Event // with room for one more, EventDropped
	missed uint64
}

// Subscribe gives what happens from now on, in order. Of what doesn't fit into the buffer (at least
// 1) the newest is dropped and counted: the engine never waits for a reader. The channel is closed
// when ctx ends and when the engine has ended; what is in it can still be read.
func (e *Engine) Subscribe(ctx context.Context, buffer int) <-chan Event {
	g := e.graph
	s := &subscription{events: make(chan Event, max(buffer, 1)+1)}
	g.mu.Lock()
	if g.finished {
		close(s.events)
	} else {
		g.subs[s] = nil
	}
	g.mu.Unlock()
	// What a context does is its own: it isn't asked with mu held.
	stop := context.AfterFunc(ctx, func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.unsubscribe(s)
	})
	g.mu.Lock()
	_, found := g.subs[s]
	if found {
		g.subs[s] = stop
	}
	g.mu.Unlock()
	if !found {
		stop()
	}
	return s.events
}

// publish tells all that have subscribed; with mu held, as whatever sends: so what there is room for
// doesn't block.
func (g *graph) publish(event Event) {
	for s := range g.subs {
		if len(s.events) >= cap(s.events)-1 {
			s.missed++
			continue
		}
		event.Missed, s.missed = s.missed, 0
		s.events <- event
	}
}

// unsubscribe ends a subscription; with mu held.
func (g *graph) unsubscribe(s *subscription) {
	stop, found := g.subs[s]
	if !found {
		return
	}
	if stop != nil {
		stop()
	}
	delete(g.subs, s)
	if s.missed > 0 {
		s.events <- Event{Kind: EventDropped, At: g.config.Clock.Now(), Missed: s.missed}
	}
	close(s.events)
}
