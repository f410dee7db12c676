package etcdstore_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/internal/bootclock"
	"github.com/muster-go/muster/store"
)

// The helpers need their own context, because a test's is over in a cleanup.

func apply(t testing.TB, d store.Driver, w store.Write) store.Outcome {
	t.Helper()
	outcomes, err := d.Apply(context.Background(), []store.Write{w})
	require.NoError(t, err)
	return outcomes[0]
}

func create(t testing.TB, d store.Driver, key string, id store.SessionID) uint64 {
	t.Helper()
	o := apply(t, d, store.Write{Kind: store.Create, Key: key, Value: []byte("v"), Session: id})
	require.NoError(t, o.Err)
	return o.Rev
}

func keys(t testing.TB, d store.Driver, prefix string) []string {
	t.Helper()
	snapshot, err := d.List(context.Background(), prefix)
	require.NoError(t, err)
	names := []string{}
	for _, r := range snapshot.Records {
		names = append(names, r.Key)
	}
	return names
}

// watching collects a watch's events.
type watching struct {
	mu     sync.Mutex
	events []seen
	next   int
	told   chan struct{} // capacity 1
	done   chan struct{}
	end    error
}

// seen is an event and when it came.
type seen struct {
	store.Event
	at time.Time
}

// watch begins a watch and waits for its snapshot.
func watch(t testing.TB, d store.Driver, prefix string) *watching {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	w := &watching{told: make(chan struct{}, 1), done: make(chan struct{})}
	go func() {
		defer close(w.done)
		w.end = d.Watch(ctx, prefix, w.take)
	}()
	t.Cleanup(func() { cancel(); <-w.done })
	w.wait(t, store.EventSnapshot)
	return w
}

// slowWatch begins a watch whose receiver is stuck on the snapshot until it is released.
func slowWatch(t testing.TB, d store.Driver) (w *watching, release func()) {
	t.Helper()
	released := make(chan struct{})
	ctx, cancel := context.WithCancel(context.Background())
	w = &watching{told: make(chan struct{}, 1), done: make(chan struct{})}
	go func() {
		defer close(w.done)
		w.end = d.Watch(ctx, "", func(e store.Event) {
			w.take(e)
			if e.Kind == store.EventSnapshot {
				<-released
			}
		})
	}()
	release = sync.OnceFunc(func() { close(released) })
	t.Cleanup(func() { cancel(); release(); <-w.done })
	w.wait(t, store.EventSnapshot)
	return w, release
}

func (w *watching) take(e store.Event) {
	w.mu.Lock()
	w.events = append(w.events, seen{e, bootclock.Clock.Now()})
	w.mu.Unlock()
	select {
	case w.told <- struct{}{}:
	default:
	}
}

// wait waits for the next event of one of these kinds, and passes over those before it.
func (w *watching) wait(t testing.TB, kinds ...store.EventKind) seen {
	t.Helper()
	limit := bootclock.Clock.After(60 * time.Second)
	for {
		w.mu.Lock()
		for w.next < len(w.events) {
			e := w.events[w.next]
			w.next++
			if slices.Contains(kinds, e.Kind) {
				w.mu.Unlock()
				return e
			}
		}
		w.mu.Unlock()
		select {
		case <-w.told:
		case <-limit:
			require.FailNow(t, "never told", "an event of kind %v", kinds)
		}
	}
}

// kinds gives the kinds of all events so far.
func (w *watching) kinds() []store.EventKind {
	w.mu.Lock()
	defer w.mu.Unlock()
	var kinds []store.EventKind
	for _, e := range w.events {
		kinds = append(kinds, e.Kind)
	}
	return kinds
}
