package tracker_test

import (
	"context"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/claimer"
	"github.com/muster-go/muster/tracker"
	"github.com/muster-go/muster/tracker/trackertest"
)

// The ten points of the design that a tracker is judged by, in their order; from the seventh on, which are
// about tickets, in tickets_test.go.

func TestPoint1AHangingRenewalDoesNotKeepWaitMinionFromFiring(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sent := time.Now()
		w, script := leading(t)
		ticket := w.WaitMinion()
		assertPending(t, ticket, "leading")
		time.Sleep(duration)
		script.Next(t, trackertest.Claim) // hangs, and ignores its context
		assert.False(t, ticket.Wait())
		assert.Equal(t, lease, time.Since(sent), "lowered before the lease's end")
		assert.False(t, leads(w))
		assertTicket(t, false, w.ClaimLeader(), "lowered")
	})
}

func TestPoint2AClaimReturningAfterItsOwnLeaseEndedIsNeverTrue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, script := scripted(t)
		claim, leader, first := w.ClaimLeader(), w.WaitLeader(), script.Next(t, trackertest.Claim)
		time.Sleep(lease)
		first.Grant(1)
		synctest.Wait()
		assert.False(t, leads(w))
		assertPending(t, claim, "no valid answer yet")
		assertPending(t, leader, "no valid answer yet")
		// A new claim is needed, and leads.
		for script.Pending() == 0 {
			time.Sleep(time.Second)
		}
		last := script.Calls()[len(script.Calls())-1]
		require.True(t, last.At.After(first.At))
		if time.Since(last.At) < duration/2 {
			last.Grant(2)
			assertTicket(t, true, leader, "the new claim")
		}
	})
}

func TestPoint2ARenewalGrantedAfterTheLoweringDoesNotRevive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, script := leading(t)
		time.Sleep(duration)
		renewal := script.Next(t, trackertest.Claim)
		time.Sleep(lease - duration) // abandoned meanwhile, and others sent
		synctest.Wait()
		require.False(t, leads(w))
		sent := len(script.Calls())
		for range script.Pending() {
			script.Next(t, trackertest.Claim)
		}
		renewal.Grant(1)
		synctest.Wait()
		assert.False(t, leads(w), "a late reply of the old term began a new one")
		time.Sleep(2 * duration)
		assert.Greater(t, len(script.Calls()), sent, "a new Claim is sent")
	})
}

func TestPoint3ASpuriousEndOfWaitReleasedIsRearmed(t *testing.T) {
	for name, err := range map[string]error{"cancel": context.Canceled, "EOF": io.EOF} {
		synctest.Test(t, func(t *testing.T) {
			w, script, wait := minion(t)
			for range 50 {
				wait.Return(err)
				claim := script.Next(t, trackertest.Claim)
				assert.Less(t, time.Since(wait.At), duration/4+time.Millisecond, name)
				claim.Deny("box-2", 7)
				wait = script.Next(t, trackertest.WaitReleased)
			}
			elapsed := time.Since(script.Calls()[0].At)
			assert.Greater(t, elapsed, 45*duration/8, "%s: repeated ones are spaced out", name)
			wait.Return(nil)
			script.Next(t, trackertest.Claim).Grant(8)
			assertTicket(t, true, w.WaitLeader(), name)
		})
	}
}

func TestPoint3AWaitReleasedThatHangsDoesNotHinderLateLeadership(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, script := scripted(t)
		hung := script.Next(t, trackertest.Claim)
		time.Sleep(duration) // abandoned
		script.Next(t, trackertest.Claim).Deny("box-2", 7)
		script.Next(t, trackertest.WaitReleased) // hangs for ever: the holder may be we ourselves
		hung.Grant(8)
		synctest.Wait()
		assert.False(t, leads(w), "late")
		script.Next(t, trackertest.Claim).Grant(8)
		assertTicket(t, true, w.WaitLeader(), "claimed again")
	})
}

func TestPoint4OneTransientErrorWithLeaseLeftIsRetriedAndLeadershipGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, script := leading(t)
		ticket := w.WaitMinion()
		time.Sleep(duration)
		failed := script.Next(t, trackertest.Claim)
		failed.Return(io.ErrUnexpectedEOF)
		synctest.Wait()
		assert.True(t, leads(w))
		assert.Contains(t, w.Report()["error"], "unexpected EOF")
		retry := script.Next(t, trackertest.Claim)
		assert.LessOrEqual(t, retry.At.Sub(failed.At), duration/20)
		assert.GreaterOrEqual(t, retry.At.Sub(failed.At), duration/40)
		retry.Grant(1)
		synctest.Wait()
		assertTicket(t, true, w.ClaimLeader(), "renewed")
		assertPending(t, ticket, "leadership went on")
		assert.NotContains(t, w.Report(), "error")
	})
}

func TestPoint4ErrorsWithoutALeaseAreRetriedForEverAndReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, script := scripted(t)
		ticket := w.WaitLeader()
		var last time.Time
		for i := range 200 {
			call := script.Next(t, trackertest.Claim)
			if i > 10 {
				assert.GreaterOrEqual(t, call.At.Sub(last), duration/8)
				assert.LessOrEqual(t, call.At.Sub(last), duration/4)
			}
			last = call.At
			call.Return(io.EOF)
			synctest.Wait()
			assert.Contains(t, w.Report()["error"], "EOF")
			assert.Equal(t, i+1, w.Report()["failures"])
		}
		script.Next(t, trackertest.Claim).Grant(1)
		assertTicket(t, true, ticket, "recovered")
	})
}

func TestPoint4OnlyAPermanentErrorEndsTheTracker(t *testing.T) {
	for _, permanent := range []error{claimer.ErrInvalid, claimer.ErrUnauthorized, claimer.ErrClosed} {
		synctest.Test(t, func(t *testing.T) {
			w, script := leading(t)
			ticket := w.WaitMinion()
			time.Sleep(duration)
			script.Next(t, trackertest.Claim).Return(permanent)
			release := script.Next(t, trackertest.Release)
			assertTicket(t, false, ticket, "lowered before the release")
			release.Return(nil)
			assert.ErrorIs(t, w.Wait(), permanent)
		})
		synctest.Test(t, func(t *testing.T) {
			w, script, wait := minion(t)
			wait.Return(permanent)
			require.ErrorIs(t, w.Wait(), permanent)
			assert.Zero(t, script.Pending())
		})
	}
}

func TestPoint5RequestMethodsNeverBlockInTheMiddleOfAClaim(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, script := scripted(t)
		script.Next(t, trackertest.Claim) // hangs
		before := time.Now()
		for range 1000 {
			w.ClaimLeader()
			w.WaitLeader()
			w.WaitMinion()
			w.Leadership()
			w.Report()
			w.Observe(t.Context())
			_, err := w.Hold()
			assert.ErrorIs(t, err, tracker.ErrNotLeader)
		}
		assert.Zero(t, time.Since(before))
	})
}

func TestPoint6KillCancelsAClaimInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, script := scripted(t)
		call := script.Next(t, trackertest.Claim)
		call.UntilCancelled()
		synctest.Wait()
		require.NoError(t, call.Ctx.Err())
		w.Kill()
		require.NoError(t, w.Wait())
		assert.ErrorIs(t, call.Ctx.Err(), context.Canceled)
		assert.Len(t, script.Calls(), 1)
	})
}

func TestPoint6KillDoesNotWaitForACallThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, script := scripted(t)
		script.Next(t, trackertest.Claim)
		w.Kill()
		before := time.Now()
		require.NoError(t, w.Wait())
		assert.Zero(t, time.Since(before), "a claim")
	})
	synctest.Test(t, func(t *testing.T) {
		w, _, _ := minion(t)
		w.Kill()
		before := time.Now()
		require.NoError(t, w.Wait())
		assert.Zero(t, time.Since(before), "a wait")
	})
	synctest.Test(t, func(t *testing.T) {
		w, script := leading(t)
		time.Sleep(duration)
		script.Next(t, trackertest.Claim)
		w.Kill()
		before := time.Now()
		require.NoError(t, w.Wait())
		assert.Equal(t, duration, time.Since(before), "a renewal and then a release")
		assert.Equal(t, trackertest.Release, script.Next(t, trackertest.Release).Method)
	})
}

func TestPoint6AClaimGrantedAfterTheEndIsGivenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, script := scripted(t)
		call := script.Next(t, trackertest.Claim)
		w.Kill()
		require.NoError(t, w.Wait())
		call.Grant(5)
		release := script.Next(t, trackertest.Release)
		assert.Equal(t, uint64(5), release.Token)
		release.Return(nil)
	})
}
