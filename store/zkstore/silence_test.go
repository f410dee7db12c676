package zkstore_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/internal/bootclock"
	"github.com/muster-go/muster/internal/servertest"
	"github.com/muster-go/muster/store"
)

// within fails if f takes longer than a busy machine may need for what waits for no server.
func within(t *testing.T, what string, f func()) {
	t.Helper()
	begun := bootclock.Clock.Now()
	f()
	assert.Less(t, bootclock.Clock.Now().Sub(begun), 5*time.Second, what)
}

func TestNothingWaitsForAServerThatIsSilent(t *testing.T) {
	t.Parallel()
	d := through(t, servertest.Shared(t, servertest.ZooKeeper), root("silence"))
	id, err := d.Grant(t.Context(), 40*time.Second)
	require.NoError(t, err)
	create(t, d, "silence/a", id)
	stopped := make(chan error, 1)
	begun := make(chan bool, 1)
	go func() {
		stopped <- d.Watch(context.Background(), "silence/", func(e store.Event) {
			if e.Kind == store.EventSnapshot {
				begun <- true
			}
		})
	}()
	<-begun

	d.proxy.BlackHole()
	calls := map[string]func(ctx context.Context) error{
		"Grant":  func(ctx context.Context) error { _, err := d.Grant(ctx, time.Minute/2); return err },
		"Renew":  func(ctx context.Context) error { return d.Renew(ctx, id) },
		"Revoke": func(ctx context.Context) error { return d.Revoke(ctx, id) },
		"Owned":  func(ctx context.Context) error { _, err := d.Owned(ctx, id); return err },
		"List":   func(ctx context.Context) error { _, err := d.List(ctx, ""); return err },
		"Apply": func(ctx context.Context) error {
			outcomes, err := d.Apply(ctx, []store.Write{{Kind: store.Create, Key: "silence/b", Session: id}})
			if err == nil {
				err = outcomes[0].Err
			}
			return err
		},
	}
	for name, call := range calls {
		within(t, name, func() {
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			defer cancel()
			require.Error(t, call(ctx), name)
		})
	}
	hanging := make(chan error, len(calls))
	for _, call := range calls {
		go func() { hanging <- call(context.Background()) }()
	}
	within(t, "Close", func() {
		require.NoError(t, d.Driver.Close())
		require.ErrorIs(t, <-stopped, store.ErrClosed)
		for range calls {
			require.Error(t, <-hanging)
		}
	})
	d.proxy.Close()
}

func TestAServerThatFallsSilentIsGivenUp(t *testing.T) {
	t.Parallel()
	server := servertest.Shared(t, servertest.ZooKeeper)
	at := root("silent")
	d, other := through(t, server, at), open(t, "zk://"+server.Addr()+at)
	defer func() { require.NoError(t, d.Close()) }()
	defer func() { require.NoError(t, other.Close()) }()
	events := make(chan store.Event, 100)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = d.Watch(ctx, "silent/", func(e store.Event) { events <- e })
	}()
	defer func() { cancel(); <-done }()
	require.Equal(t, store.EventSnapshot, (<-events).Kind)
	d.proxy.BlackHole()
	silent := bootclock.Clock.Now()
	stale := <-events // no call is made that could notice
	require.Equal(t, store.EventStale, stale.Kind)
	assert.Less(t, bootclock.Clock.Now().Sub(silent), 15*time.Second, "two thirds of 6 s, on a busy machine")
	assert.WithinRange(t, stale.Since, silent.Add(-6*time.Second), bootclock.Clock.Now())
	create(t, other, "silent/a", "")
	d.proxy.Heal()
	reset := <-events
	require.Equal(t, store.EventReset, reset.Kind)
	require.Len(t, reset.Records, 1)
}
