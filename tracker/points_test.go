package tracker_test

import (
	"context"
	"errors"
	"io"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/juju/clock"
	"github.com/juju/clock/testclock"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/claimer"
	"github.com/muster-go/muster/tracker"
	"github.com/muster-go/muster/tracker/trackertest"
)

// The ten points of the design that a tracker is judged by, in their order.

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

func TestPoint7TicketsCostNoGoroutineAndAbandonedOnesAreCollected(t *testing.T) {
	script := trackertest.NewScript(clock.WallClock)
	defer script.Close()
	w, err := tracker.New(configFor(script))
	require.NoError(t, err)
	defer func() { w.Kill(); require.NoError(t, w.Wait()) }()
	script.Next(t, trackertest.Claim)

	const tickets = 1000
	var collected atomic.Int64
	before := runtime.NumGoroutine()
	func() {
		for range tickets {
			for _, ticket := range []tracker.Ticket{w.ClaimLeader(), w.WaitLeader(), w.WaitMinion()} {
				ticket.Ready()
				runtime.SetFinalizer(ticket, func(any) { collected.Add(1) })
			}
		}
	}()
	assert.LessOrEqual(t, runtime.NumGoroutine(), before)
	require.Eventually(t, func() bool {
		runtime.GC()
		return collected.Load() == 3*tickets
	}, 30*time.Second, time.Millisecond)
}

func TestPoint8PendingAndFreshWaitMinionTicketsAgree(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, script := scripted(t)
		early := w.WaitMinion() // before the first answer
		assertPending(t, early, "nothing is known")
		script.Next(t, trackertest.Claim).Grant(1)
		synctest.Wait()
		pending := w.WaitMinion()
		assertPending(t, early, "leading")
		time.Sleep(lease)
		assertTicket(t, false, early, "early")
		assertTicket(t, false, pending, "pending")
		assertTicket(t, false, w.WaitMinion(), "fresh")
	})
	synctest.Test(t, func(t *testing.T) {
		w, script := scripted(t)
		early := w.WaitMinion()
		script.Next(t, trackertest.Claim).Deny("box-2", 7)
		assertTicket(t, false, early, "early")
		assertTicket(t, false, w.WaitMinion(), "fresh")
	})
}

// lateClock is a clock whose timers never fire, as after a suspend.
type lateClock struct {
	clock.Clock
	now atomic.Pointer[time.Time]
}

func newLateClock() *lateClock {
	c := &lateClock{Clock: testclock.NewClock(time.Unix(1e9, 0))}
	now := c.Clock.Now()
	c.now.Store(&now)
	return c
}

func (c *lateClock) Now() time.Time { return *c.now.Load() }

func (c *lateClock) sleep(d time.Duration) {
	now := c.Now().Add(d)
	c.now.Store(&now)
}

func TestPoint9AfterASuspendOrALateTimerNothingSaysTrue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		clk := newLateClock()
		script := trackertest.NewScript(clk)
		config := configFor(script)
		config.Clock = clk
		w := start(t, config)
		t.Cleanup(script.Close)
		early, minion := w.WaitLeader(), w.WaitMinion()
		script.Next(t, trackertest.Claim).Grant(1)
		synctest.Wait()
		waitLeader, pending := w.WaitLeader(), w.WaitMinion()
		hold, err := w.Hold()
		require.NoError(t, err)
		guarded, cancel := hold.Context(t.Context())
		defer cancel()
		asked := w.WaitLeader()
		require.True(t, asked.Wait())
		require.NoError(t, guarded.Err())

		clk.sleep(lease - 1)
		require.True(t, leads(w))
		require.NoError(t, guarded.Err())
		clk.sleep(1) // and no timer fires

		assert.False(t, leads(w), "Leadership")
		assert.False(t, hold.Leads(), "Hold.Leads")
		assertTicket(t, false, early, "WaitLeader from before, asked now")
		assertTicket(t, false, waitLeader, "WaitLeader from when it led, asked now")
		assert.True(t, asked.Wait(), "an answer given is kept")
		assertTicket(t, false, w.ClaimLeader(), "ClaimLeader")
		assertPending(t, w.WaitLeader(), "a fresh WaitLeader waits for the next term")
		assertTicket(t, false, pending, "WaitMinion from when it led")
		assertTicket(t, false, w.WaitMinion(), "a fresh WaitMinion")
		select {
		case <-guarded.Done():
			t.Error("a timer fired")
		default:
		}
		require.ErrorIs(t, guarded.Err(), context.Canceled)
		assert.True(t, errors.Is(context.Cause(guarded), tracker.ErrLeadershipChanged))
		select {
		case <-guarded.Done():
		default:
			t.Error("Err isn't nil and Done isn't closed")
		}
		_, err = w.Hold()
		assert.ErrorIs(t, err, tracker.ErrNotLeader, "Hold")
		_, err = w.Leader(t.Context())
		assert.ErrorIs(t, err, tracker.ErrUnknown, "Leader")
		assert.Equal(t, "minion", w.Report()["state"])
		hold.Release()
		// The loop finds out by any event; then the ticket from before the first answer is ready.
		w.Kill()
		assertTicket(t, false, minion, "WaitMinion from before the first answer")
	})
}

func TestPoint9ARenewalAnsweredAfterASuspendDoesNotPassForTheOldLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		clk := newLateClock()
		script := trackertest.NewScript(clk)
		config := configFor(script)
		config.Clock = clk
		w := start(t, config)
		t.Cleanup(script.Close)
		script.Next(t, trackertest.Claim).Grant(1)
		synctest.Wait()
		clk.sleep(duration)
		minion := w.WaitMinion()
		ticket := w.ClaimLeader() // less than Duration is left: it has the loop renew
		renewal := script.Next(t, trackertest.Claim)
		assertPending(t, ticket, "the renewal is in flight")
		clk.sleep(lease - duration) // the lease is over, the renewal's own isn't
		renewal.Grant(1)
		assertTicket(t, false, ticket, "the lease ended in between")
		assertTicket(t, false, minion, "the lease ended in between")
		assert.False(t, leads(w))
		script.Next(t, trackertest.Claim).Grant(1)
		synctest.Wait()
		assert.True(t, leads(w), "a new Claim makes a new term")
	})
}

func TestATrueClaimLeaderGuaranteesDurationFromItsIssue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, script := scripted(t)
		hung := script.Next(t, trackertest.Claim)
		time.Sleep(duration + duration/2)
		early := w.WaitLeader()
		ticket := w.ClaimLeader()
		hung.Grant(1) // leaves less than half a Duration
		assertTicket(t, true, early, "leads")
		assertTicket(t, false, ticket, "but not for a Duration from the ticket's issue")
	})
}

func TestPoint10KillResolvesEveryTicket(t *testing.T) {
	check := func(t *testing.T, w *tracker.Worker, after func()) {
		tickets := []tracker.Ticket{w.WaitLeader(), w.WaitMinion()}
		if !leads(w) {
			tickets = append(tickets, w.ClaimLeader()) // a leader's is true, and was when it was issued
		}
		w.Kill()
		if after != nil {
			synctest.Wait()
			assert.False(t, leads(w))
		}
		tickets = append(tickets, w.WaitMinion())
		synctest.Wait()
		tickets = append(tickets, w.WaitLeader(), w.ClaimLeader())
		for _, ticket := range tickets {
			assertTicket(t, false, ticket, "killed")
		}
		if after != nil {
			after()
		}
		assert.NoError(t, w.Wait())
		for _, ticket := range []tracker.Ticket{w.WaitLeader(), w.WaitMinion(), w.ClaimLeader()} {
			assertTicket(t, false, ticket, "dead")
		}
	}
	synctest.Test(t, func(t *testing.T) {
		w, script := scripted(t)
		script.Next(t, trackertest.Claim)
		check(t, w, nil)
	})
	synctest.Test(t, func(t *testing.T) {
		w, _, _ := minion(t)
		check(t, w, nil)
	})
	synctest.Test(t, func(t *testing.T) {
		w, script := leading(t)
		hold, err := w.Hold() // guarded work goes on; the tickets don't wait for it
		require.NoError(t, err)
		check(t, w, func() {
			require.Zero(t, script.Pending())
			hold.Release()
			script.Next(t, trackertest.Release).Return(nil)
		})
	})
}

func TestAMinionSendsNoClaimWhileItWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, script, wait := minion(t)
		for range 100 {
			time.Sleep(time.Hour)
			assertTicket(t, false, w.ClaimLeader(), "minion")
		}
		assert.Len(t, script.Calls(), 2)
		leader := w.WaitLeader()
		wait.Return(nil)
		script.Next(t, trackertest.Claim).Grant(9)
		assertTicket(t, true, leader, "free")
	})
}

func TestBeforeTheFirstAnswerTicketsWaitForIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, script := scripted(t)
		claim := script.Next(t, trackertest.Claim)
		assert.Equal(t, 2*duration, claim.Duration)
		ticket := w.ClaimLeader()
		time.Sleep(duration / 4)
		assertPending(t, ticket, "no answer")
		claim.Grant(1)
		assertTicket(t, true, ticket, "granted")
	})
	synctest.Test(t, func(t *testing.T) {
		w, script := scripted(t)
		ticket := w.ClaimLeader()
		script.Next(t, trackertest.Claim).Deny("", 0)
		assertTicket(t, false, ticket, "denied")
	})
}
