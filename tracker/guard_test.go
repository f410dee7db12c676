package tracker_test

import (
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/juju/clock"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/claimer"
	"github.com/muster-go/muster/tracker"
	"github.com/muster-go/muster/tracker/trackertest"
)

// run calls RunWhileLeader in a goroutine.
func run(ctx context.Context, w *tracker.Worker, f func(context.Context, claimer.Claim) error) <-chan error {
	ended := make(chan error, 1)
	go func() { ended <- w.RunWhileLeader(ctx, f) }()
	return ended
}

func untilDone(ctx context.Context, _ claimer.Claim) error {
	<-ctx.Done()
	return ctx.Err()
}

func TestRunWhileLeaderGivesTheFunctionsError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, script := scripted(t)
		ended := run(t.Context(), w, func(ctx context.Context, claim claimer.Claim) error {
			assert.Equal(t, uint64(3), claim.Token)
			assert.NoError(t, ctx.Err())
			return io.ErrShortWrite
		})
		synctest.Wait()
		require.Empty(t, ended)
		script.Next(t, trackertest.Claim).Grant(3)
		err := <-ended
		assert.ErrorIs(t, err, io.ErrShortWrite)
		assert.NotErrorIs(t, err, tracker.ErrLeadershipChanged)
		assert.NotContains(t, w.Report(), "holds")
	})
}

func TestRunWhileLeaderTellsOfLostLeadership(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, test := range []struct {
			returns error
			also    bool // the function's error says more than that its context ended
		}{{returns: nil}, {returns: context.Canceled}, {returns: io.EOF, also: true}} {
			script := trackertest.NewScript(clock.WallClock)
			w := start(t, configFor(script))
			sent := time.Now()
			ended := run(t.Context(), w, func(ctx context.Context, _ claimer.Claim) error {
				<-ctx.Done()
				assert.ErrorIs(t, context.Cause(ctx), tracker.ErrLeadershipChanged)
				return test.returns
			})
			script.Next(t, trackertest.Claim).Grant(1)
			err := <-ended // no renewal is answered
			assert.Equal(t, lease, time.Since(sent))
			require.ErrorIs(t, err, tracker.ErrLeadershipChanged)
			if test.also {
				assert.ErrorIs(t, err, test.returns)
			}
			script.Close()
		}
	})
}

func TestRunWhileLeaderEndsWithItsContextAndWithTheTracker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _, _ := minion(t)
		never := func(context.Context, claimer.Claim) error { t.Error("called"); return nil }
		ctx, cancel := context.WithCancel(t.Context())
		ended := run(ctx, w, never)
		other := run(t.Context(), w, never)
		cancel()
		assert.ErrorIs(t, <-ended, context.Canceled)
		w.Kill()
		assert.ErrorIs(t, <-other, tracker.ErrStopped)
		assert.ErrorIs(t, <-run(t.Context(), w, never), tracker.ErrStopped)
	})
	synctest.Test(t, func(t *testing.T) {
		w, _ := leading(t)
		ctx, cancel := context.WithCancel(t.Context())
		ended := run(ctx, w, untilDone)
		synctest.Wait()
		cancel()
		err := <-ended
		assert.ErrorIs(t, err, context.Canceled)
		assert.NotErrorIs(t, err, tracker.ErrLeadershipChanged)
	})
}

func TestAPanicOfGuardedWorkReleasesItsHold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, script := leading(t)
		assert.PanicsWithValue(t, "oops", func() {
			_ = w.RunWhileLeader(t.Context(), func(context.Context, claimer.Claim) error { panic("oops") })
		})
		w.Kill()
		script.Next(t, trackertest.Release).Return(nil)
		assert.NoError(t, w.Wait())
	})
}

func TestContextsDerivedFromGuardedOnesEndWithThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _ := leading(t)
		hold, err := w.Hold()
		require.NoError(t, err)
		defer hold.Release()
		type key struct{}
		guarded, cancel := hold.Context(context.WithValue(t.Context(), key{}, "value"))
		defer cancel()
		child, stop := context.WithTimeout(guarded, time.Hour)
		defer stop()
		assert.Equal(t, "value", child.Value(key{}))
		<-child.Done()
		assert.ErrorIs(t, context.Cause(child), tracker.ErrLeadershipChanged)
		late, cancelLate := hold.Context(t.Context())
		defer cancelLate()
		assert.ErrorIs(t, late.Err(), context.Canceled, "made after the lowering")
	})
}

// LESSONS, leadership 5: the lease was revoked before the flag was lowered.
func TestLesson5LowerThenWaitForGuardedWorkThenRelease(t *testing.T) {
	for name, stop := range map[string]func(*tracker.Worker){
		"Kill":   func(w *tracker.Worker) { w.Kill() },
		"Resign": func(w *tracker.Worker) { go func() { _, _ = w.Resign(context.Background()) }() },
	} {
		synctest.Test(t, func(t *testing.T) {
			w, script := leading(t)
			ended := run(t.Context(), w, func(ctx context.Context, _ claimer.Claim) error {
				<-ctx.Done()
				assert.False(t, leads(w), "%s: lowered first", name)
				time.Sleep(10*duration + duration/2) // work that stops slowly
				return ctx.Err()
			})
			synctest.Wait()
			stop(w)
			for range 10 { // the claim goes on being renewed meanwhile
				script.Next(t, trackertest.Claim).Grant(1)
				synctest.Wait()
				assert.False(t, leads(w), "%s: renewals don't raise it again", name)
				assert.Empty(t, ended, name)
			}
			assert.ErrorIs(t, <-ended, tracker.ErrLeadershipChanged)
			release := script.Next(t, trackertest.Release)
			assert.Equal(t, uint64(1), release.Token)
			release.Return(nil)
		})
	}
}

func TestWhileAHoldOfALostTermIsOutTheNameIsNotClaimed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, script := leading(t)
		hold, err := w.Hold()
		require.NoError(t, err)
		time.Sleep(duration)
		script.Next(t, trackertest.Claim).Deny("box-2", 2)
		<-hold.Lost()
		time.Sleep(100 * duration)
		assert.Zero(t, script.Pending())
		assert.Contains(t, w.Report()["blocked"], "1 unreleased hold")
		assert.Equal(t, "stopping guarded work", w.Report()["state"])
		_, err = w.Hold()
		assert.ErrorIs(t, err, tracker.ErrNotLeader)
		hold.Release()
		hold.Release() // harmless
		script.Next(t, trackertest.WaitReleased).Return(nil)
		script.Next(t, trackertest.Claim).Grant(3)
		synctest.Wait()
		assert.True(t, leads(w))
	})
}

func TestADenialOlderThanTheLatestGrantIsLookedIntoAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, script := leading(t)
		time.Sleep(duration)
		old := script.Next(t, trackertest.Claim) // abandoned
		script.Next(t, trackertest.Claim).Grant(1)
		synctest.Wait()
		denied := time.Now()
		old.Deny("box-2", 2) // perhaps from before the grant, perhaps not
		again := script.Next(t, trackertest.Claim)
		assert.Equal(t, denied, again.At, "not only when the next renewal is due")
		assert.True(t, leads(w), "by the later grant")
		again.Deny("box-2", 2)
		synctest.Wait()
		assert.False(t, leads(w))
	})
}

func TestARenewalWithAnotherTokenIsALossAndANewTerm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, script := leading(t)
		ended := run(t.Context(), w, untilDone)
		time.Sleep(duration)
		script.Next(t, trackertest.Claim).Grant(9) // others may have led in between
		assert.True(t, errors.Is(<-ended, tracker.ErrLeadershipChanged))
		script.Next(t, trackertest.Claim).Grant(9)
		synctest.Wait()
		claim, _, ok := w.Leadership()
		require.True(t, ok)
		assert.Equal(t, uint64(9), claim.Token)
	})
}
