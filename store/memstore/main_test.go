package memstore_test

import (
	"context"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/muster-go/muster/store"
	"github.com/muster-go/muster/store/memstore"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// grant, create and list fail the test instead of returning an error.

func create(t *testing.T, d store.Driver, key, value string, id store.SessionID) uint64 {
	t.Helper()
	outcomes, err := d.Apply(t.Context(), []store.Write{{Kind: store.Create, Key: key, Value: []byte(value), Session: id}})
	require.NoError(t, err)
	require.NoError(t, outcomes[0].Err)
	return outcomes[0].Rev
}

func keys(t *testing.T, d store.Driver, prefix string) []string {
	t.Helper()
	snap, err := d.List(t.Context(), prefix)
	require.NoError(t, err)
	names := []string{}
	for _, r := range snap.Records {
		names = append(names, r.Key)
	}
	return names
}

// watching collects a watch's events until its stop is called.
type watching struct {
	mu     sync.Mutex
	events []store.Event
	end    error
	stop   func()
}

func watch(t *testing.T, d *memstore.Driver, prefix string) *watching {
	ctx, cancel := context.WithCancel(t.Context())
	w := &watching{}
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.end = d.Watch(ctx, prefix, func(e store.Event) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.events = append(w.events, e)
		})
	}()
	w.stop = func() { cancel(); <-done }
	t.Cleanup(w.stop)
	return w
}

// take gives what was told since the last take.
func (w *watching) take() []store.Event {
	w.mu.Lock()
	defer w.mu.Unlock()
	events := w.events
	w.events = nil
	return events
}

func kinds(events []store.Event) []store.EventKind {
	all := []store.EventKind{}
	for _, e := range events {
		all = append(all, e.Kind)
	}
	return all
}
