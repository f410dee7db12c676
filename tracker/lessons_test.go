package tracker_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/juju/clock"
	jujuerrors "github.com/juju/errors"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/claimer"
	"github.com/muster-go/muster/tracker"
	"github.com/muster-go/muster/tracker/trackertest"
)

// What went wrong in others, by number of the lesson; lesson 5 is in guard_test.go, 12 in
// points_test.go.

func TestLesson3AFrozenConnectionIsAbandonedAndLowered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, script := leading(t)
		time.Sleep(duration)
		var hung []*trackertest.Call
		for range 4 { // frozen; each is given half a Duration and replaced
			hung = append(hung, script.Next(t, trackertest.Claim))
		}
		for i, call := range hung[:3] {
			assert.Error(t, call.Ctx.Err(), "told to stop")
			assert.LessOrEqual(t, hung[i+1].At.Sub(call.At), duration/2+duration/4)
		}
		synctest.Wait()
		assert.False(t, leads(w))
		// It thaws after a day: few calls were lost on it, and leadership comes back soon.
		time.Sleep(24 * time.Hour)
		lost := len(script.Calls())
		assert.Less(t, lost, int(24*time.Hour/(16*duration))+10)
		for script.Pending() > 0 {
			script.Next(t, trackertest.Claim)
		}
		script.Next(t, trackertest.Claim).Grant(5)
		synctest.Wait()
		assert.True(t, leads(w), "recovered without a single hung call returning")
	})
}

func TestLesson4TrackersWithOneHolderNameDoNotExtendEachOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		memory := trackertest.NewMemory(clock.WallClock)
		a, b := start(t, configFor(memory)), start(t, configFor(memory))
		for range 100 {
			synctest.Wait()
			assert.True(t, leads(a) != leads(b), "one of the two leads")
			time.Sleep(duration / 3)
		}
		assert.NotEqual(t, a.Candidate().Holder, b.Candidate().Holder)
		assert.True(t, strings.HasPrefix(a.Candidate().Holder, "box-1#"))
		config := configFor(memory)
		config.Candidate.Holder = "box#1"
		_, err := tracker.New(config)
		assert.ErrorIs(t, err, claimer.ErrInvalid)
		assert.ErrorIs(t, err, jujuerrors.NotValid)
	})
}

func TestLesson7TheEndIsIdempotentBoundedAndFinal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, script := leading(t)
		events := w.Observe(t.Context())
		require.Equal(t, tracker.BecameLeader, (<-events).Kind)
		for range 3 {
			w.Kill()
		}
		synctest.Wait()
		before := time.Now()
		require.NoError(t, w.Wait()) // Release hangs
		assert.Equal(t, duration, time.Since(before), "bounded")
		w.Kill()
		require.NoError(t, w.Wait())
		done := 0
		for e := range events {
			if e.Kind == tracker.Done {
				done++
			}
		}
		assert.Equal(t, 1, done, "the final event comes once")
		calls := len(script.Calls())
		time.Sleep(100 * duration)
		assert.Len(t, script.Calls(), calls, "nothing is claimed any more")
		held, err := w.Resign(t.Context())
		assert.False(t, held)
		assert.ErrorIs(t, err, tracker.ErrStopped)
	})
}

func TestLesson9ResigningAsLeaderSucceedsAndQueuesLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, script := leading(t)
		go func() {
			release := script.Next(t, trackertest.Release)
			assert.False(t, leads(w))
			release.Return(nil)
		}()
		held, err := w.Resign(t.Context())
		require.NoError(t, err)
		assert.True(t, held)
		released := time.Now()
		again := script.Next(t, trackertest.Claim)
		assert.Equal(t, duration/20, again.At.Sub(released), "others first")
		again.Deny("box-2", 2)
		synctest.Wait()
		held, err = w.Resign(t.Context())
		assert.NoError(t, err)
		assert.False(t, held, "a minion has nothing to resign from")
	})
}

func TestLesson9TheContextOfResignBoundsTheWaitOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, script := leading(t)
		hold, err := w.Hold()
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		held, err := w.Resign(ctx)
		assert.True(t, held)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		hold.Release()
		script.Next(t, trackertest.Release).Return(nil) // it goes on
		script.Next(t, trackertest.Claim)
	})
}

// Found by the property test: the release of a resignation, held up in the network for longer than
// the tracker waits for it, ended the claim by which it led again, and another led at once.
func TestALateReleaseDoesNotEndALaterTerm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		memory := trackertest.NewMemory(clock.WallClock)
		slow := &network{Claimer: memory, faults: []fault{{}, {request: 3 * duration / 2}}} // Claim, Release
		w := start(t, configFor(slow))
		synctest.Wait()
		require.True(t, leads(w))
		first := w.Candidate().Holder
		held, err := w.Resign(t.Context())
		require.True(t, held)
		require.ErrorContains(t, err, "no success within 10s")
		for range 100 {
			synctest.Wait()
			if leads(w) {
				holder, ok := memory.Holder("web")
				require.True(t, ok, "leads without a claim")
				require.Equal(t, w.Candidate().Holder, holder.Holder)
			}
			time.Sleep(duration / 20)
		}
		assert.True(t, leads(w))
		assert.NotEqual(t, first, w.Candidate().Holder)
	})
}

// As above, with the Claim late: nobody stands under its name any more, so it is given back.
func TestALateGrantToAnIncarnationThatIsOverIsGivenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, script := leading(t)
		time.Sleep(duration)
		renewal := script.Next(t, trackertest.Claim) // hangs
		go func() { _, _ = w.Resign(context.Background()) }()
		script.Next(t, trackertest.Release).Return(nil)
		script.Next(t, trackertest.Claim).Deny("box-2", 2)
		script.Next(t, trackertest.WaitReleased)
		renewal.Grant(3)
		late := script.Next(t, trackertest.Release)
		assert.Equal(t, renewal.Candidate.Holder, late.Candidate.Holder)
		assert.Equal(t, uint64(3), late.Token)
		late.Return(nil)
		synctest.Wait()
		assert.False(t, leads(w))
		assert.Zero(t, script.Pending(), "it goes on waiting for the other's release")
	})
}

func TestAReleaseWaitsForTheRenewalInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, script := leading(t)
		time.Sleep(duration)
		renewal := script.Next(t, trackertest.Claim)
		w.Kill()
		synctest.Wait()
		require.Error(t, renewal.Ctx.Err(), "cancelled")
		require.Zero(t, script.Pending(), "it could arrive after the Release, and hold the name")
		renewal.Return(context.Canceled)
		script.Next(t, trackertest.Release).Return(nil)
		require.NoError(t, w.Wait())
	})
}

func TestAReleaseThatFailsIsTriedAgainForADuration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, script := leading(t)
		go func() {
			script.Next(t, trackertest.Release).Return(fmt.Errorf("busy"))
			script.Next(t, trackertest.Release).Return(fmt.Errorf("gone: %w", claimer.ErrNotHeld))
		}()
		held, err := w.Resign(t.Context())
		assert.True(t, held)
		assert.NoError(t, err, "not held any more is what was wanted")
	})
	synctest.Test(t, func(t *testing.T) {
		w, _ := leading(t)
		before := time.Now()
		held, err := w.Resign(t.Context()) // hangs
		assert.True(t, held)
		assert.ErrorContains(t, err, "the claim ends by itself within 20s")
		assert.Equal(t, duration, time.Since(before))
	})
}

func gauge(t *testing.T, registry *prometheus.Registry, value int) {
	t.Helper()
	assert.NoError(t, testutil.GatherAndCompare(registry, strings.NewReader(fmt.Sprintf(`
# HELP muster_tracker_leader 1 while leadership is guaranteed, else 0.
# TYPE muster_tracker_leader gauge
muster_tracker_leader{election="web",holder="box-1"} %d
`, value)), "muster_tracker_leader"))
}

func TestLesson9TheMetricIsNeverOneAfterTheLowering(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		registry := prometheus.NewRegistry()
		clk := newLateClock() // no timer fires
		script := trackertest.NewScript(clk)
		config := configFor(script)
		config.Clock, config.Metrics = clk, registry
		w := start(t, config)
		t.Cleanup(script.Close)
		gauge(t, registry, 0)
		script.Next(t, trackertest.Claim).Grant(1)
		synctest.Wait()
		gauge(t, registry, 1)
		clk.sleep(lease)
		gauge(t, registry, 0)
		w.Kill()
		script.Next(t, trackertest.Release).Return(nil)
		require.NoError(t, w.Wait())
		families, err := registry.Gather()
		require.NoError(t, err)
		assert.Empty(t, families, "unregistered at the end")
	})
	synctest.Test(t, func(t *testing.T) {
		registry := prometheus.NewRegistry()
		script := trackertest.NewScript(clock.WallClock)
		config := configFor(script)
		config.Metrics = registry
		w := start(t, config)
		t.Cleanup(script.Close)
		script.Next(t, trackertest.Claim).Grant(1)
		synctest.Wait()
		hold, err := w.Hold()
		require.NoError(t, err)
		w.Kill()
		synctest.Wait()
		gauge(t, registry, 0) // although guarded work still runs
		hold.Release()
	})
}

func TestMetricsCountClaimsAndSurviveAClashOfNames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		registry := prometheus.NewRegistry()
		memory := trackertest.NewMemory(clock.WallClock)
		config := configFor(memory)
		config.Metrics = registry
		first, second := start(t, config), start(t, config) // the second's can't be registered
		synctest.Wait()
		second.Kill()
		require.NoError(t, second.Wait())
		n, err := testutil.GatherAndCount(registry, "muster_tracker_claims_total", "muster_tracker_transitions_total")
		require.NoError(t, err)
		assert.Equal(t, 5, n, "the end of the second leaves the first's")
		first.Kill()
		require.NoError(t, first.Wait())
	})
}

// LESSONS, leadership 13: a wrapped error was compared with ==.
func TestLesson13WrappedErrorsAreUnderstood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, script := scripted(t)
		holder := claimer.Claim{Candidate: claimer.Candidate{Name: "web", Holder: "box-2#x"}, Token: 7}
		script.Next(t, trackertest.Claim).Return(fmt.Errorf("traced: %w", &claimer.DeniedError{Name: "web", Holder: &holder}))
		wait := script.Next(t, trackertest.WaitReleased)
		leader, err := w.Leader(t.Context())
		require.NoError(t, err)
		assert.Equal(t, holder, leader)
		assert.Equal(t, "box-2", w.Report()["leader"], "without the incarnation")
		wait.Return(nil)
		script.Next(t, trackertest.Claim).Return(fmt.Errorf("traced: %w", claimer.ErrDenied)) // without details
		script.Next(t, trackertest.WaitReleased).Return(fmt.Errorf("traced: %w", claimer.ErrClosed))
		assert.ErrorIs(t, w.Wait(), claimer.ErrClosed)
	})
}

func TestConfigIsRefusedBeforeAnythingStarts(t *testing.T) {
	script := trackertest.NewScript(clock.WallClock)
	good := configFor(script)
	require.NoError(t, good.Validate())
	for want, change := range map[string]func(*tracker.Config){
		"no Claimer":         func(c *tracker.Config) { c.Claimer = nil },
		"has no name":        func(c *tracker.Config) { c.Candidate.Name = "" },
		"has no holder":      func(c *tracker.Config) { c.Candidate.Holder = "" },
		"incarnation":        func(c *tracker.Config) { c.Candidate.Holder = "a#b" },
		"use at least 10ms":  func(c *tracker.Config) { c.Duration = 0 },
		"is negative":        func(c *tracker.Config) { c.Margin = -1 },
		"half the duration ": func(c *tracker.Config) { c.Margin = c.Duration / 2 },
	} {
		t.Run("because it says "+want, func(t *testing.T) {
			bad := good
			change(&bad)
			w, err := tracker.New(bad)
			require.ErrorIs(t, err, claimer.ErrInvalid)
			assert.ErrorContains(t, err, want)
			assert.Nil(t, w)
		})
	}
	assert.Empty(t, script.Calls())
}

func TestTheLoggerHearsOfWhatIsRetried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out strings.Builder
		script := trackertest.NewScript(clock.WallClock)
		config := configFor(script)
		config.Logger = slog.New(slog.NewTextHandler(&out, nil))
		w, err := tracker.New(config)
		require.NoError(t, err)
		script.Next(t, trackertest.Claim).Return(fmt.Errorf("no route"))
		script.Next(t, trackertest.Claim).Deny("box-2#zzz", 7)
		script.Next(t, trackertest.WaitReleased)
		synctest.Wait()
		script.Close()
		w.Kill()
		require.NoError(t, w.Wait())
		assert.Contains(t, out.String(), "no route")
		assert.Contains(t, out.String(), "leader=box-2 token=7")
		assert.Contains(t, out.String(), "election=web holder=box-1")
	})
}
