package enginetest_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/juju/clock"
	"github.com/juju/clock/testclock"
	"github.com/juju/worker/v4"
	"github.com/juju/worker/v4/dependency"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/engine"
	"github.com/muster-go/muster/engine/enginetest"
)

// inBubble runs the test in a bubble, on an engine with these manifolds.
func inBubble(t *testing.T, manifolds dependency.Manifolds, test func(t *testing.T, e *engine.Engine)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { test(t, run(t, clock.WallClock, manifolds)) })
}

func started(e *engine.Engine, names ...string) func(testing.TB) {
	return func(tb testing.TB) { enginetest.Started(tb, e, names...) }
}

func stopped(e *engine.Engine, names ...string) func(testing.TB) {
	return func(tb testing.TB) { enginetest.Stopped(tb, e, names...) }
}

func staysUp(e *engine.Engine, name string, d time.Duration) func(testing.TB) {
	return func(tb testing.TB) { enginetest.StaysUp(tb, e, name, d) }
}

func staysDown(e *engine.Engine, name string, d time.Duration) func(testing.TB) {
	return func(tb testing.TB) { enginetest.StaysDown(tb, e, name, d) }
}

func cleanKill(w worker.Worker) func(testing.TB) {
	return func(tb testing.TB) { enginetest.CleanKill(tb, w) }
}

// after gives a manifold whose worker ends with err when it has run for d.
func after(d time.Duration, err error) dependency.Manifold {
	return starting(func() (worker.Worker, error) {
		j := newJob()
		time.AfterFunc(d, func() { j.end(err) })
		return j, nil
	})
}

func TestStartedWaitsForAllThatItNames(t *testing.T) {
	tries := 0
	inBubble(t, dependency.Manifolds{
		"store": starting(func() (worker.Worker, error) {
			if tries++; tries < 4 {
				return nil, errors.New("no route")
			}
			return newJob(), nil
		}),
		"app":   simple("store"),
		"other": failing(),
	}, func(t *testing.T, e *engine.Engine) {
		passes(t, started(e))
		began := time.Now()
		passes(t, started(e, "app", "store"))
		assert.InDelta(t, 700*time.Millisecond, time.Since(began), float64(71*time.Millisecond), "100, 200 and 400 ms, give or take a tenth, and nothing more")

		began = time.Now()
		passes(t, started(e, "app", "store"))
		assert.Less(t, time.Since(began), time.Millisecond, "it is so already")
	})
}

func TestStartedEndsTheTestWithTheReason(t *testing.T) {
	inBubble(t, dependency.Manifolds{"store": failing(), "app": simple("store"), "other": simple()}, func(t *testing.T, e *engine.Engine) {
		began := time.Now()
		ends(t, started(e, "other", "app"), "app isn't up", "app: blocked: waits for store: failed", "no route; again in", "waited 30s")
		assert.InDelta(t, enginetest.DefaultPatience, time.Since(began), float64(20*time.Millisecond))
		ends(t, func(tb testing.TB) { enginetest.Kit{Patience: time.Second}.Started(tb, e, "app") }, "waited 1s")
	})
}

func TestAHelperDoesNotTakeAMisspeltName(t *testing.T) {
	inBubble(t, dependency.Manifolds{"store": simple()}, func(t *testing.T, e *engine.Engine) {
		const want = `the engine has no manifold "stor"`
		ends(t, started(e, "store", "stor"), want, "store")
		ends(t, stopped(e, "stor"), want)
		fails(t, staysUp(e, "stor", time.Second), want)
		fails(t, staysDown(e, "stor", time.Second), want)
	})
}

func TestStartedDoesNotWaitForAnEngineThatHasEnded(t *testing.T) {
	inBubble(t, dependency.Manifolds{"app": simple()}, func(t *testing.T, e *engine.Engine) {
		e.Kill()
		require.NoError(t, e.Wait())
		began := time.Now()
		ends(t, started(e, "app"), "app isn't up", "the engine is finished")
		assert.Less(t, time.Since(began), time.Millisecond)
		passes(t, stopped(e, "app"))
	})
}

func TestStoppedWaitsUntilNoWorkerIsLeft(t *testing.T) {
	inBubble(t, dependency.Manifolds{"app": after(10*time.Second, nil), "other": simple()}, func(t *testing.T, e *engine.Engine) {
		passes(t, started(e, "app"))
		began := time.Now()
		passes(t, stopped(e, "app"))
		assert.InDelta(t, 10*time.Second, time.Since(began), float64(time.Millisecond))
		ends(t, stopped(e, "app", "other"), "other hasn't stopped\nother: running")
	})
}

func TestStoppedTakesNoStuckWorkerForOneThatHasEnded(t *testing.T) {
	var w *job // the first one
	inBubble(t, dependency.Manifolds{"app": starting(func() (worker.Worker, error) {
		if w != nil {
			return newJob(), nil
		}
		w = newJob()
		return deaf{w}, nil
	})}, func(t *testing.T, e *engine.Engine) {
		passes(t, started(e, "app"))
		require.NoError(t, e.Bounce("app"))
		ends(t, stopped(e, "app"), "app hasn't stopped\napp: stuck: ignores Kill for 30s")
		fails(t, staysDown(e, "app", time.Second), "app isn't down to begin with\napp: stuck")
		w.end(nil)
		passes(t, started(e, "app"))
	})
}

func TestStaysUp(t *testing.T) {
	inBubble(t, dependency.Manifolds{
		"steady":  simple(),
		"fails":   after(90*time.Minute, errors.New("disk full")),
		"bounces": after(90*time.Minute, dependency.ErrBounce),
		"waits":   simple("broken"),
		"broken":  failing(),
	}, func(t *testing.T, e *engine.Engine) {
		began := time.Now()
		passes(t, staysUp(e, "steady", time.Hour))
		passes(t, staysUp(e, "fails", time.Minute))
		passes(t, staysUp(e, "bounces", time.Minute))
		assert.InDelta(t, time.Hour+2*time.Minute, time.Since(began), float64(time.Millisecond))

		fails(t, staysUp(e, "waits", time.Second), "waits isn't up to begin with\nwaits: blocked: waits for broken: failed")
		fails(t, staysUp(e, "bounces", time.Hour), "bounces didn't stay up for 1h0m0s: it was started again, now 2 times\nbounces: running")
	})
}

func TestStaysUpSaysWhyAWorkerEnded(t *testing.T) {
	inBubble(t, dependency.Manifolds{
		"fails":    after(time.Minute, errors.New("disk full")),
		"finishes": after(time.Hour, nil),
	}, func(t *testing.T, e *engine.Engine) {
		fails(t, staysUp(e, "fails", time.Minute), "fails didn't stay up for 1m0s; last error: disk full\nfails: backoff: failed: disk full; again in")
		fails(t, staysUp(e, "finishes", time.Hour), "finishes didn't stay up for 1h0m0s\nfinishes: finished")
	})
}

func TestStaysDown(t *testing.T) {
	starts := 0
	inBubble(t, dependency.Manifolds{
		"broken": failing(),
		"waits":  simple("broken"),
		"steady": simple(),
		"mended": starting(func() (worker.Worker, error) {
			if starts++; starts < 12 {
				return nil, errors.New("no route")
			}
			return newJob(), nil
		}),
		"brief": starting(func() (worker.Worker, error) {
			j := newJob()
			j.end(errors.New("disk full"))
			return j, nil
		}),
	}, func(t *testing.T, e *engine.Engine) {
		fails(t, staysDown(e, "mended", time.Hour), "mended didn't stay down for 1h0m0s\nmended: running")
		passes(t, staysDown(e, "broken", time.Minute))
		passes(t, staysDown(e, "waits", time.Minute))
		fails(t, staysDown(e, "steady", time.Second), "steady isn't down to begin with\nsteady: running")
		fails(t, staysDown(e, "brief", time.Hour), "brief didn't stay down for 1h0m0s: it was started meanwhile; last error: disk full\nbrief: backoff")
	})
}

func TestCleanKill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		passes(t, cleanKill(newJob()))
		passes(t, cleanKill(run(t, clock.WallClock, dependency.Manifolds{"app": simple()})))
		fails(t, cleanKill(nil), "there is no worker to kill")

		broken := newJob()
		broken.end(errors.New("disk full"))
		fails(t, cleanKill(deaf{broken}), "enginetest_test.deaf was killed and ended with an error: disk full")

		stuck := deaf{newJob()}
		began := time.Now()
		fails(t, cleanKill(stuck), "enginetest_test.deaf hasn't ended 30s after Kill")
		assert.Equal(t, enginetest.DefaultPatience, time.Since(began))
		stuck.end(nil)
	})
}

func TestCleanKillOfAnEngineShowsWhatHoldsItUp(t *testing.T) {
	var w *job
	inBubble(t, dependency.Manifolds{"app": starting(func() (worker.Worker, error) {
		w = newJob()
		return deaf{w}, nil
	})}, func(t *testing.T, e *engine.Engine) {
		passes(t, started(e, "app"))
		patient := enginetest.Kit{Patience: 5 * time.Second} // less than the engine's
		fails(t, func(tb testing.TB) { patient.CleanKill(tb, e) }, "*engine.Engine hasn't ended 5s after Kill\nengine stopping at", "app", "stopping for 5s")
		w.end(nil)
	})
}

// onClock gives a manifold whose worker ends with err when it has run for d on the clock.
func onClock(clk clock.Clock, d time.Duration, err error) dependency.Manifold {
	return starting(func() (worker.Worker, error) {
		j := newJob()
		clk.AfterFunc(d, func() { j.end(err) })
		return j, nil
	})
}

// testOnClock is for a bubble and for real time.
func testOnClock(t *testing.T, clk *testclock.Clock) {
	e := run(t, clk, dependency.Manifolds{
		"steady": simple(),
		"fails":  onClock(clk, 90*time.Minute, errors.New("disk full")),
	})
	kit := enginetest.Kit{Clock: clk}
	began := clk.Now()
	passes(t, func(tb testing.TB) { kit.Started(tb, e, "steady", "fails") })
	assert.Equal(t, began, clk.Now(), "to wait for it moves nothing")

	passes(t, func(tb testing.TB) { kit.StaysUp(tb, e, "steady", time.Hour) })
	assert.Equal(t, time.Hour, clk.Now().Sub(began), "it has moved so far")
	passes(t, func(tb testing.TB) { kit.StaysUp(tb, e, "fails", time.Minute) })
	fails(t, func(tb testing.TB) { kit.StaysUp(tb, e, "fails", time.Hour) }, "fails didn't stay up for 1h0m0s", "disk full")

	j := newJob()
	require.NoError(t, e.Install("told", starting(func() (worker.Worker, error) { return j, nil })))
	passes(t, func(tb testing.TB) { kit.Started(tb, e, "told") })
	j.end(nil)
	passes(t, func(tb testing.TB) { kit.Stopped(tb, e, "told") })
	passes(t, func(tb testing.TB) { kit.StaysDown(tb, e, "told", time.Hour) })
	passes(t, func(tb testing.TB) { kit.CleanKill(tb, e) })
}

func TestAKitMovesTheClock(t *testing.T) {
	testOnClock(t, testclock.NewClock(time.Unix(1e9, 0)))
}

func TestAKitMovesTheClockInABubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { testOnClock(t, testclock.NewClock(time.Unix(1e9, 0))) })
}

func TestInRealTime(t *testing.T) {
	release := make(chan struct{})
	e := run(t, clock.WallClock, dependency.Manifolds{
		"slow": starting(func() (worker.Worker, error) {
			<-release
			return newJob(), nil
		}),
		"app": simple("slow"),
	})
	passes(t, staysDown(e, "app", 10*time.Millisecond))
	time.AfterFunc(10*time.Millisecond, func() { close(release) })
	passes(t, started(e, "app"))
	passes(t, staysUp(e, "app", 10*time.Millisecond))
	ends(t, func(tb testing.TB) { enginetest.Kit{Patience: 10 * time.Millisecond}.Stopped(tb, e, "app") }, "app hasn't stopped")
	e.Kill()
	passes(t, stopped(e, "app", "slow"))
	passes(t, cleanKill(e))
}
