package storetest_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/juju/clock"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/store"
	"github.com/muster-go/muster/store/memstore"
	"github.com/muster-go/muster/store/storetest"
)

// bubble runs f in a synctest bubble with a disturbed and an undisturbed client of one service.
func bubble(t *testing.T, f func(t *testing.T, faulty *storetest.Faults, other store.Driver)) {
	synctest.Test(t, func(t *testing.T) {
		service := memstore.NewService(clock.WallClock)
		faulty := storetest.WithFaults(service.Open(), clock.WallClock)
		f(t, faulty, service.Open())
		require.NoError(t, faulty.Close())
	})
}

func create(ctx context.Context, d store.Driver, key string) error {
	outcomes, err := d.Apply(ctx, []store.Write{{Kind: store.Create, Key: key}})
	if err != nil {
		return err
	}
	return outcomes[0].Err
}

func count(t *testing.T, d store.Driver) int {
	snap, err := d.List(t.Context(), "")
	require.NoError(t, err)
	return len(snap.Records)
}

// started runs a create whose caller gives up after a second, until the fault holds it.
func started(t *testing.T, d store.Driver) <-chan error {
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	done := make(chan error, 1)
	go func() { defer cancel(); done <- create(ctx, d, "a") }()
	time.Sleep(time.Hour)
	return done
}

func unknown(t *testing.T, err error) {
	t.Helper()
	require.Error(t, err)
	require.NotErrorIs(t, err, store.ErrRefused)
	require.NotErrorIs(t, err, store.ErrGone)
}

func TestHangIgnoresTheContextAndIsNeverDone(t *testing.T) {
	bubble(t, func(t *testing.T, faulty *storetest.Faults, other store.Driver) {
		faulty.Inject(storetest.Fault{Kind: storetest.Hang})
		done := started(t, faulty)
		assert.Empty(t, done, "an hour after its context was done")
		assert.Equal(t, 1, faulty.Waiting())
		faulty.Heal()
		unknown(t, <-done)
		assert.Zero(t, count(t, other))
		assert.Zero(t, faulty.Waiting())
		assert.NoError(t, create(t.Context(), faulty, "a"))
	})
}

func TestLateReplyIsDoneAtHealForACallerWhoGaveUp(t *testing.T) {
	bubble(t, func(t *testing.T, faulty *storetest.Faults, other store.Driver) {
		faulty.Inject(storetest.Fault{Kind: storetest.LateReply})
		done := started(t, faulty)
		assert.Empty(t, done)
		assert.Zero(t, count(t, other))
		faulty.Heal()
		assert.NoError(t, <-done)
		assert.Equal(t, 1, count(t, other))
	})
}

func TestFailAndDropRequestDoNothingAndDropReplyDoes(t *testing.T) {
	bubble(t, func(t *testing.T, faulty *storetest.Faults, other store.Driver) {
		faulty.Inject(storetest.Fault{Kind: storetest.Fail, Err: store.ErrUnreachable, Calls: 1})
		faulty.Inject(storetest.Fault{Kind: storetest.Fail, Calls: 1})
		faulty.Inject(storetest.Fault{Kind: storetest.DropRequest, Calls: 1})
		faulty.Inject(storetest.Fault{Kind: storetest.DropReply, Calls: 1})
		assert.ErrorIs(t, create(t.Context(), faulty, "a"), store.ErrUnreachable)
		unknown(t, create(t.Context(), faulty, "a"))
		unknown(t, create(t.Context(), faulty, "a"))
		assert.Zero(t, count(t, other))
		unknown(t, create(t.Context(), faulty, "a"))
		assert.Equal(t, 1, count(t, other))
		assert.ErrorIs(t, create(t.Context(), faulty, "a"), store.ErrConflict, "the faults are used up")
		assert.Equal(t, 5, faulty.Calls(storetest.Apply))
		assert.Equal(t, 5, faulty.Calls())
	})
}

func TestDelayIsOnTheClockAndHonoursTheContext(t *testing.T) {
	bubble(t, func(t *testing.T, faulty *storetest.Faults, other store.Driver) {
		faulty.Inject(storetest.Fault{Kind: storetest.Delay, Delay: time.Minute})
		assert.ErrorIs(t, <-started(t, faulty), context.DeadlineExceeded)
		before := time.Now()
		assert.NoError(t, create(t.Context(), faulty, "a"))
		assert.Equal(t, time.Minute, time.Since(before))
		done := make(chan error)
		go func() { done <- create(t.Context(), faulty, "b") }()
		synctest.Wait()
		before = time.Now()
		faulty.Heal()
		assert.NoError(t, <-done)
		assert.Zero(t, time.Since(before), "Heal ends the delay")
		assert.Equal(t, 2, count(t, other))
	})
}

func TestFaultsTouchOnlyTheirOperations(t *testing.T) {
	bubble(t, func(t *testing.T, faulty *storetest.Faults, _ store.Driver) {
		id, err := faulty.Grant(t.Context(), time.Minute)
		require.NoError(t, err)
		faulty.Inject(storetest.Fault{Kind: storetest.Fail, Ops: []storetest.Op{storetest.Renew, storetest.Apply}})
		assert.Error(t, faulty.Renew(t.Context(), id))
		assert.Error(t, create(t.Context(), faulty, "a"))
		_, err = faulty.Owned(t.Context(), id)
		assert.NoError(t, err)
		faulty.Heal(storetest.Renew)
		assert.NoError(t, faulty.Renew(t.Context(), id))
		assert.Error(t, create(t.Context(), faulty, "a"))
		faulty.Heal()
		assert.NoError(t, create(t.Context(), faulty, "a"))
		assert.NoError(t, faulty.Revoke(t.Context(), id))
		proven, err := faulty.Proof(t.Context())
		assert.NoError(t, err)
		assert.True(t, proven)
		assert.Equal(t, faulty.Limits(), memstore.NewService(clock.WallClock).Open().Limits())
	})
}

// watched collects what a watch told.
type watched struct {
	mu     sync.Mutex
	events []store.Event
	done   chan error
	cancel context.CancelFunc
}

func watchAll(t *testing.T, d store.Driver) *watched {
	ctx, cancel := context.WithCancel(t.Context())
	w := &watched{done: make(chan error, 1), cancel: cancel}
	go func() {
		w.done <- d.Watch(ctx, "", func(e store.Event) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.events = append(w.events, e)
		})
	}()
	synctest.Wait()
	return w
}

func (w *watched) take() []store.EventKind {
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	kinds := []store.EventKind{}
	for _, e := range w.events {
		kinds = append(kinds, e.Kind)
	}
	w.events = nil
	return kinds
}

func TestWatchIsSilentWhileItHangsAndLosesNothing(t *testing.T) {
	bubble(t, func(t *testing.T, faulty *storetest.Faults, other store.Driver) {
		w := watchAll(t, faulty)
		assert.Equal(t, []store.EventKind{store.EventSnapshot}, w.take())
		faulty.Inject(storetest.Fault{Kind: storetest.Hang})
		require.NoError(t, create(t.Context(), other, "a"))
		require.NoError(t, create(t.Context(), other, "b"))
		late := watchAll(t, faulty)
		assert.Empty(t, w.take())
		assert.Empty(t, late.take())
		late.cancel()
		synctest.Wait()
		assert.Empty(t, late.done, "it ignores its context")
		faulty.Heal()
		assert.Equal(t, []store.EventKind{store.EventPut, store.EventPut}, w.take())
		assert.ErrorIs(t, <-late.done, context.Canceled)
		w.cancel()
		assert.ErrorIs(t, <-w.done, context.Canceled)
	})
}

func TestCutWatchGoesStaleAndResetsWhenHealed(t *testing.T) {
	bubble(t, func(t *testing.T, faulty *storetest.Faults, other store.Driver) {
		w := watchAll(t, faulty)
		w.take()
		faulty.CutWatches()
		require.NoError(t, create(t.Context(), other, "a"))
		synctest.Wait()
		w.mu.Lock()
		require.ErrorIs(t, w.events[0].Err, store.ErrUnreachable)
		assert.False(t, w.events[0].Since.IsZero())
		w.mu.Unlock()
		assert.Equal(t, []store.EventKind{store.EventStale}, w.take())
		faulty.Heal()
		assert.Equal(t, []store.EventKind{store.EventReset}, w.take())
		require.NoError(t, create(t.Context(), other, "b"))
		assert.Equal(t, []store.EventKind{store.EventPut}, w.take())

		faulty.CutWatches()
		faulty.Heal()
		assert.Equal(t, []store.EventKind{store.EventStale, store.EventReset}, w.take(), "a cut healed at once is noticed too")

		faulty.CutWatches()
		w.cancel()
		assert.ErrorIs(t, <-w.done, context.Canceled, "a cut watch honours its context")
		late := watchAll(t, faulty)
		assert.Empty(t, late.take(), "there is nothing stale yet")
		faulty.Heal()
		assert.Equal(t, []store.EventKind{store.EventSnapshot}, late.take())
	})
}

func TestWatchFaultsThatAreLimitedDelayedOrPermanent(t *testing.T) {
	bubble(t, func(t *testing.T, faulty *storetest.Faults, other store.Driver) {
		w := watchAll(t, faulty)
		w.take()
		faulty.Inject(storetest.Fault{Kind: storetest.Hang, Ops: []storetest.Op{storetest.Watch}, Calls: 1})
		first, second := watchAll(t, faulty), watchAll(t, faulty)
		assert.Empty(t, first.take())
		assert.Len(t, second.take(), 1)
		require.NoError(t, create(t.Context(), other, "a"))
		assert.Len(t, w.take(), 1, "one that runs already isn't touched")
		faulty.Heal()
		assert.Len(t, first.take(), 1)

		faulty.Inject(storetest.Fault{Kind: storetest.Delay, Delay: time.Second})
		require.NoError(t, create(t.Context(), other, "b"))
		assert.Empty(t, w.take())
		time.Sleep(time.Second)
		assert.Len(t, w.take(), 1)
		faulty.Heal()

		faulty.Inject(storetest.Fault{Kind: storetest.Fail, Err: store.ErrUnauthorized})
		for _, w := range []*watched{w, first, second} {
			assert.ErrorIs(t, <-w.done, store.ErrUnauthorized)
		}
	})
}

func TestCloseFreesWhatAFaultHolds(t *testing.T) {
	bubble(t, func(t *testing.T, faulty *storetest.Faults, other store.Driver) {
		w := watchAll(t, faulty)
		faulty.Inject(storetest.Fault{Kind: storetest.LateReply, Ops: []storetest.Op{storetest.Apply}})
		faulty.Inject(storetest.Fault{Kind: storetest.Hang})
		late := started(t, faulty)
		hung := make(chan error)
		go func() { _, err := faulty.List(t.Context(), ""); hung <- err }()
		synctest.Wait()
		require.NoError(t, faulty.Close())
		require.NoError(t, faulty.Close())
		for _, done := range []<-chan error{late, hung, w.done} {
			assert.ErrorIs(t, <-done, store.ErrClosed)
		}
		assert.Zero(t, count(t, other))
		assert.ErrorIs(t, create(t.Context(), faulty, "a"), store.ErrClosed)
		assert.ErrorIs(t, faulty.Watch(t.Context(), "", func(store.Event) {}), store.ErrClosed)
	})
}
