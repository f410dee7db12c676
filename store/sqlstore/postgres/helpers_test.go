package postgres_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/store"
)

// The rest fail the test instead of returning an error. They need their own context, because a
// test's is over in a cleanup.

func grant(t testing.TB, d store.Driver, ttl time.Duration) store.SessionID {
	t.Helper()
	id, err := d.Grant(context.Background(), ttl)
	require.NoError(t, err)
	return id
}

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
	events []store.Event
	told   chan struct{} // capacity 1
	done   chan struct{}
	cancel context.CancelFunc
}

func watch(t testing.TB, d store.Driver, prefix string) *watching {
	ctx, cancel := context.WithCancel(context.Background())
	w := &watching{told: make(chan struct{}, 1), done: make(chan struct{}), cancel: cancel}
	go func() {
		defer close(w.done)
		_ = d.Watch(ctx, prefix, func(e store.Event) {
			w.mu.Lock()
			w.events = append(w.events, e)
			w.mu.Unlock()
			select {
			case w.told <- struct{}{}:
			default:
			}
		})
	}()
	t.Cleanup(func() { cancel(); <-w.done })
	w.wait(t, store.EventSnapshot)
	return w
}

// wait waits for the next event of a kind, and passes over those before it.
func (w *watching) wait(t testing.TB, kind store.EventKind) store.Event {
	t.Helper()
	return w.until(t, fmt.Sprintf("event of kind %d", kind), func(e store.Event) bool { return e.Kind == kind })
}

func (w *watching) until(t testing.TB, what string, good func(store.Event) bool) store.Event {
	t.Helper()
	limit := time.NewTimer(60 * time.Second)
	defer limit.Stop()
	for {
		w.mu.Lock()
		for i, e := range w.events {
			if good(e) {
				w.events = w.events[i+1:]
				w.mu.Unlock()
				return e
			}
		}
		w.events = nil
		w.mu.Unlock()
		select {
		case <-w.told:
		case <-limit.C:
			require.FailNow(t, "never told: "+what)
		}
	}
}
