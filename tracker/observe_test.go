package tracker_test

import (
	"context"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/tracker"
	"github.com/muster-go/muster/tracker/trackertest"
)

func TestObserveTellsOfEachChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, script := scripted(t)
		events := w.Observe(t.Context())
		expect := func(kind tracker.EventKind) tracker.Event {
			t.Helper()
			e := <-events
			assert.Equal(t, kind, e.Kind, "%v, got %v", kind, e.Kind)
			assert.Zero(t, e.Missed)
			return e
		}
		script.Next(t, trackertest.Claim).Return(io.EOF)
		assert.ErrorIs(t, expect(tracker.ErrorSeen).Err, io.EOF)
		script.Next(t, trackertest.Claim).Deny("box-2", 7)
		assert.Equal(t, uint64(7), expect(tracker.LeaderElsewhere).Claim.Token)
		script.Next(t, trackertest.WaitReleased).Return(nil)
		script.Next(t, trackertest.Claim).Grant(8)
		e := expect(tracker.BecameLeader)
		assert.True(t, e.Leading)
		assert.Equal(t, uint64(8), e.Claim.Token)
		script.Next(t, trackertest.Claim).Return(io.EOF)
		assert.True(t, expect(tracker.ErrorSeen).Leading)
		script.Next(t, trackertest.Claim).Grant(8)
		w.Kill()
		assert.Equal(t, uint64(8), expect(tracker.BecameMinion).Claim.Token)
		script.Next(t, trackertest.Release).Return(nil)
		assert.NoError(t, expect(tracker.Done).Err)
		_, open := <-events
		assert.False(t, open)
	})
}

func TestObserveBeginsWithThePresentState(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _ := leading(t)
		assert.Equal(t, tracker.BecameLeader, (<-w.Observe(t.Context())).Kind)
	})
	synctest.Test(t, func(t *testing.T) {
		w, _, _ := minion(t)
		assert.Equal(t, tracker.LeaderElsewhere, (<-w.Observe(t.Context())).Kind)
		w.Kill()
		require.NoError(t, w.Wait())
		events := w.Observe(t.Context())
		assert.Equal(t, tracker.Done, (<-events).Kind)
		_, open := <-events
		assert.False(t, open)
	})
}

func TestASlowObserverGetsTheLatestAndTheNumberMissed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, script := scripted(t)
		events := w.Observe(t.Context())
		for range 5 {
			script.Next(t, trackertest.Claim).Return(io.EOF)
		}
		script.Next(t, trackertest.Claim).Grant(1)
		synctest.Wait()
		e := <-events
		assert.Equal(t, tracker.BecameLeader, e.Kind)
		assert.Equal(t, uint64(5), e.Missed)
	})
}

func TestObserveEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _ := scripted(t)
		ctx, cancel := context.WithCancel(t.Context())
		events := w.Observe(ctx)
		cancel()
		e := <-events
		assert.Equal(t, tracker.Done, e.Kind)
		assert.ErrorIs(t, e.Err, context.Canceled)
		_, open := <-events
		assert.False(t, open)
	})
}

func TestLeaderWaitsForTheFirstAnswerOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, script := scripted(t)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := w.Leader(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		script.Next(t, trackertest.Claim).Deny("", 0)
		_, err = w.Leader(t.Context())
		require.ErrorIs(t, err, tracker.ErrUnknown)
		script.Next(t, trackertest.WaitReleased).Return(nil)
		script.Next(t, trackertest.Claim).Grant(4)
		synctest.Wait()
		claim, err := w.Leader(t.Context())
		require.NoError(t, err)
		assert.Equal(t, w.Candidate().Holder, claim.Holder)
		w.Kill()
		synctest.Wait()
		_, err = w.Leader(t.Context())
		assert.ErrorIs(t, err, tracker.ErrStopped)
	})
}
