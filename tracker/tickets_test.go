package tracker_test

import (
	"context"
	"errors"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/juju/clock"
	"github.com/juju/clock/testclock"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/tracker"
	"github.com/muster-go/muster/tracker/trackertest"
)

// Points 7 to 10 of those that a tracker is judged by, and what they say of tickets.

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
