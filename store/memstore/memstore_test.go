package memstore_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/juju/clock"
	"github.com/juju/clock/testclock"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/internal/bootclock"
	"github.com/muster-go/muster/store"
	"github.com/muster-go/muster/store/memstore"
)

func TestSessionEndsExactlyAtItsTTLAndWatchesHearAtOnce(t *testing.T) {
	for name, clk := range map[string]store.Clock{"wall clock": clock.WallClock, "boot clock": bootclock.Clock} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				service := memstore.NewService(clk)
				a, b := service.Open(), service.Open()
				id, err := a.Grant(t.Context(), time.Minute)
				require.NoError(t, err)
				create(t, a, "m/a", "x", id)
				w := watch(t, b, "m/")
				time.Sleep(50 * time.Second)
				require.NoError(t, a.Renew(t.Context(), id))
				time.Sleep(time.Minute - time.Millisecond)
				synctest.Wait()
				assert.Equal(t, []store.EventKind{store.EventSnapshot}, kinds(w.take()))
				time.Sleep(time.Millisecond + time.Microsecond)
				synctest.Wait()
				events := w.take()
				assert.Equal(t, []store.EventKind{store.EventDelete}, kinds(events))
				assert.Equal(t, "m/a", events[0].Record.Key)
				require.ErrorIs(t, a.Renew(t.Context(), id), store.ErrSessionGone)
			})
		})
	}
}

func TestSessionEndsOnATestClockWithoutAnyWatch(t *testing.T) {
	clk := testclock.NewClock(time.Unix(0, 0))
	d := memstore.NewService(clk).Open()
	id, err := d.Grant(t.Context(), time.Second)
	require.NoError(t, err)
	create(t, d, "a", "", id)
	clk.Advance(time.Second - 1)
	require.Len(t, keys(t, d, "a"), 1)
	clk.Advance(1)
	require.Empty(t, keys(t, d, "a"))
}

func TestTimerIsOneAndOnlyWhileAnybodyWatches(t *testing.T) {
	clk := testclock.NewClock(time.Unix(0, 0))
	d := memstore.NewService(clk).Open()
	for range 3 {
		_, err := d.Grant(t.Context(), time.Second)
		require.NoError(t, err)
	}
	require.NoError(t, clk.WaitAdvance(time.Millisecond, 0, 0), "no watch, no timer")
	w := watch(t, d, "")
	require.NoError(t, clk.WaitAdvance(time.Millisecond, 10*time.Second, 1))
	w.stop()
	require.NoError(t, clk.WaitAdvance(time.Millisecond, 0, 0), "the last watch takes the timer along")
}

func TestStoppedServiceFailsCallsKeepsSessionsAndStalesWatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		service := memstore.NewService(clock.WallClock)
		d := service.Open()
		id, err := d.Grant(t.Context(), time.Second)
		require.NoError(t, err)
		create(t, d, "a", "", id)
		create(t, d, "b", "", "")
		w := watch(t, d, "")
		synctest.Wait()
		w.take()

		stoppedAt := time.Now()
		service.Stop()
		service.Stop()
		late := watch(t, d, "")
		time.Sleep(time.Hour)
		synctest.Wait()
		_, err = d.List(t.Context(), "")
		require.ErrorIs(t, err, store.ErrUnreachable)
		require.ErrorIs(t, err, store.ErrRefused)
		require.ErrorIs(t, d.Renew(t.Context(), id), store.ErrUnreachable)
		events := w.take()
		require.Equal(t, []store.EventKind{store.EventStale}, kinds(events))
		assert.ErrorIs(t, events[0].Err, store.ErrUnreachable)
		assert.True(t, events[0].Since.Equal(stoppedAt))
		assert.Equal(t, uint64(2), events[0].Rev)
		assert.Empty(t, late.take(), "no snapshot, no event")

		service.Start()
		synctest.Wait()
		events = w.take()
		require.Equal(t, []store.EventKind{store.EventDelete, store.EventCurrent}, kinds(events), "what ended meanwhile, then: up to date")
		assert.Equal(t, uint64(3), events[1].Rev)
		events = late.take()
		require.Equal(t, []store.EventKind{store.EventSnapshot}, kinds(events))
		require.Len(t, events[0].Records, 1)
		require.ErrorIs(t, d.Renew(t.Context(), id), store.ErrSessionGone)
	})
}

func TestRestartKeepsDataAndTellsWatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		service := memstore.NewService(clock.WallClock)
		d := service.Open()
		create(t, d, "a", "", "")
		w := watch(t, d, "")
		synctest.Wait()
		w.take()
		service.Restart()
		synctest.Wait()
		assert.Equal(t, []store.EventKind{store.EventStale, store.EventCurrent}, kinds(w.take()))
		assert.Equal(t, []string{"a"}, keys(t, d, ""))
		create(t, d, "b", "", "")
		service.Restart()
		synctest.Wait()
		events := w.take()
		assert.Contains(t, [][]store.EventKind{
			{store.EventStale, store.EventReset},
			{store.EventPut, store.EventStale, store.EventCurrent},
		}, kinds(events), "what was still to be told is lost")
	})
}

func TestWipeAndRestoreResetWatchesRevisionsAndProof(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		service := memstore.NewService(clock.WallClock)
		d := service.Open()
		id, err := d.Grant(t.Context(), time.Minute)
		require.NoError(t, err)
		create(t, d, "a", "", id)
		snap := service.Snapshot()
		create(t, d, "b", "", "")
		w := watch(t, d, "")
		synctest.Wait()
		w.take()

		time.Sleep(50 * time.Second)
		service.Restore(snap)
		synctest.Wait()
		events := w.take()
		require.Equal(t, []store.EventKind{store.EventReset}, kinds(events))
		assert.Equal(t, uint64(1), events[0].Rev)
		assert.Equal(t, []string{"a"}, keys(t, d, ""))
		time.Sleep(50 * time.Second)
		require.NoError(t, d.Renew(t.Context(), id), "a restored session has its whole TTL")
		proven, err := d.Proof(t.Context())
		require.NoError(t, err)
		assert.False(t, proven)

		service.Wipe()
		synctest.Wait()
		events = w.take()
		require.Equal(t, []store.EventKind{store.EventReset}, kinds(events))
		assert.Empty(t, events[0].Records)
		assert.Zero(t, events[0].Rev)
		require.ErrorIs(t, d.Renew(t.Context(), id), store.ErrSessionGone)
		again, err := d.Grant(t.Context(), time.Minute)
		require.NoError(t, err)
		assert.NotEqual(t, id, again, "an old session's name is never used again")
		assert.Equal(t, uint64(1), create(t, d, "c", "", ""), "revisions start again")
	})
}

func TestNewServiceIsProvenOnce(t *testing.T) {
	service := memstore.NewService(clock.WallClock)
	for i, d := range []*memstore.Driver{service.Open(), service.Open()} {
		proven, err := d.Proof(t.Context())
		require.NoError(t, err)
		assert.Equal(t, i == 0, proven)
	}
}

func TestExpireEndsASessionAtOnceOrAtStart(t *testing.T) {
	service := memstore.NewService(testclock.NewClock(time.Unix(0, 0)))
	d := service.Open()
	for _, stopped := range []bool{false, true} {
		id, err := d.Grant(t.Context(), time.Minute)
		require.NoError(t, err)
		create(t, d, "a", "", id)
		if stopped {
			service.Stop()
		}
		service.Expire(id)
		service.Expire("nobody")
		service.Start()
		assert.Empty(t, keys(t, d, ""))
		assert.ErrorIs(t, d.Renew(t.Context(), id), store.ErrSessionGone)
	}
}

func TestSlowReceiverNeitherBlocksWritersNorGrowsWithoutBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := memstore.NewService(clock.WallClock).Open()
		release := make(chan struct{})
		var got []store.Event
		done := make(chan error)
		go func() {
			done <- d.Watch(t.Context(), "", func(e store.Event) { got = append(got, e); <-release })
		}()
		synctest.Wait()
		for i := range memstore.Backlog + 1 {
			create(t, d, fmt.Sprintf("k%d", i), "", "")
		}
		close(release)
		synctest.Wait()
		require.Equal(t, []store.EventKind{store.EventSnapshot, store.EventReset}, kinds(got))
		require.Len(t, got[1].Records, memstore.Backlog+1)
		create(t, d, "more", "", "")
		synctest.Wait()
		require.Equal(t, store.EventPut, got[2].Kind)
		require.NoError(t, d.Close())
		require.ErrorIs(t, <-done, store.ErrClosed)
	})
}

func TestCallersMayChangeTheirSlices(t *testing.T) {
	d := memstore.NewService(clock.WallClock).Open()
	value := []byte("value")
	_, err := d.Apply(t.Context(), []store.Write{{Kind: store.Create, Key: "a", Value: value}})
	require.NoError(t, err)
	value[0] = 'X'
	for range 2 {
		snap, err := d.List(t.Context(), "a")
		require.NoError(t, err)
		require.Equal(t, "value", string(snap.Records[0].Value))
		snap.Records[0].Value[0] = 'Y'
	}
}

func TestDoneContextSendsNothing(t *testing.T) {
	d := memstore.NewService(clock.WallClock).Open()
	ctx := cancelled(t)
	_, err := d.Apply(ctx, []store.Write{{Kind: store.Create, Key: "a"}})
	require.ErrorIs(t, err, ctx.Err())
	require.ErrorIs(t, err, store.ErrRefused)
	require.Empty(t, keys(t, d, ""))
}

func TestEachWriteOfABatchAndEachRecordOfASessionHasARevisionOfItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := memstore.NewService(clock.WallClock).Open()
		id, err := d.Grant(t.Context(), time.Minute)
		require.NoError(t, err)
		w := watch(t, d, "")
		synctest.Wait()
		w.take()
		outcomes, err := d.Apply(t.Context(), []store.Write{
			{Kind: store.Create, Key: "a", Session: id},
			{Kind: store.Delete, Key: "none", If: 1},
			{Kind: store.Create, Key: "b", Session: id},
		})
		require.NoError(t, err)
		assert.Equal(t, uint64(1), outcomes[0].Rev)
		assert.Equal(t, uint64(2), outcomes[2].Rev)
		require.NoError(t, d.Revoke(t.Context(), id))
		synctest.Wait()
		revs := []uint64{}
		for _, e := range w.take() {
			revs = append(revs, e.Rev)
		}
		assert.Equal(t, []uint64{1, 2, 3, 4}, revs)
	})
}

func TestConflictsAndBadRequestsSayWhereWhatAndWhy(t *testing.T) {
	d := memstore.NewService(clock.WallClock).Open()
	create(t, d, "a", "", "")
	outcomes, err := d.Apply(t.Context(), []store.Write{{Kind: store.Update, Key: "a", If: 7}})
	require.NoError(t, err)
	require.EqualError(t, outcomes[0].Err, `memstore: update "a" if at revision 7: it is at 1: condition not met`)
	for _, key := range []string{"/a", "a/", "a//b"} {
		_, err = d.Apply(t.Context(), []store.Write{{Kind: store.Create, Key: key}})
		require.ErrorIs(t, err, store.ErrInvalid, key)
	}
	_, err = d.List(t.Context(), "a//")
	require.ErrorIs(t, err, store.ErrInvalid)
	require.ErrorIs(t, d.Watch(t.Context(), "/", func(store.Event) {}), store.ErrInvalid)
	_, err = d.Grant(t.Context(), time.Millisecond)
	require.ErrorContains(t, err, "use at least 10ms")
}

func TestRewindNumbersWhatThereIsAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		service := memstore.NewService(clock.WallClock)
		d := service.Open()
		id, err := d.Grant(t.Context(), time.Minute)
		require.NoError(t, err)
		create(t, d, "lost", "", "")
		create(t, d, "a", "", "")
		create(t, d, "b", "", id)
		_, err = d.Apply(t.Context(), []store.Write{{Kind: store.Delete, Key: "lost", If: 1}})
		require.NoError(t, err)
		w := watch(t, d, "")
		synctest.Wait()
		w.take()

		service.Rewind()
		synctest.Wait()
		events := w.take()
		require.Equal(t, []store.EventKind{store.EventReset}, kinds(events))
		assert.Equal(t, uint64(2), events[0].Rev)
		assert.Equal(t, []store.Record{
			{Key: "a", Value: []byte{}, CreateRev: 1, ModRev: 1},
			{Key: "b", Value: []byte{}, CreateRev: 2, ModRev: 2, Session: id},
		}, events[0].Records)
		require.NoError(t, d.Renew(t.Context(), id), "sessions live on")
		assert.Equal(t, uint64(3), create(t, d, "c", "", ""), "revisions go on from there")
	})
}
