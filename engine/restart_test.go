package engine_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/juju/worker/v4"
	"github.com/juju/worker/v4/dependency"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/engine"
)

// ending is a manifold whose worker ends with what it is given.
func ending(d *diary, name string, ends <-chan error, inputs ...string) dependency.Manifold {
	return d.manifold(name, func(dying <-chan struct{}) error {
		select {
		case err := <-ends:
			return err
		case <-dying:
			return nil
		}
	}, inputs...)
}

func TestFailuresBackOffUpToTheLongestDelay(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var starts []time.Time
		e := run(t, config(), dependency.Manifolds{"bad": starting(func() (worker.Worker, error) {
			starts = append(starts, time.Now())
			return nil, assert.AnError
		})})
		pass(time.Hour)
		n := node(t, e, "bad")
		assert.Equal(t, engine.StateBackoff, n.State)
		require.Greater(t, len(starts), 100)
		for i, want := range []time.Duration{100 * time.Millisecond, 200 * time.Millisecond, 400 * time.Millisecond, 800 * time.Millisecond} {
			assert.InEpsilon(t, want, starts[i+1].Sub(starts[i]), 0.1)
		}
		assert.InEpsilon(t, engine.DefaultMaxRestartDelay, starts[100].Sub(starts[99]), 0.1)
		assert.LessOrEqual(t, starts[100].Sub(starts[99]), engine.DefaultMaxRestartDelay)
		assert.Equal(t, map[engine.RestartCause]int{engine.CauseError: len(starts) - 1}, n.Restarts)
		assert.Contains(t, n.Explain(), fmt.Sprintf("failed %d times: %s; again in ", len(starts), assert.AnError))
		assert.WithinRange(t, n.BackoffUntil, time.Now(), time.Now().Add(engine.DefaultMaxRestartDelay))
		assert.Zero(t, n.Starts)
	})
}

func TestAWorkerThatRanForLongStartsAnewAtTheShortestDelay(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var d diary
		ends := make(chan error)
		run(t, config(), dependency.Manifolds{"bad": ending(&d, "bad", ends)})
		for range 12 {
			ends <- assert.AnError // blocks until the next worker runs
		}
		pass(3 * engine.DefaultMaxRestartDelay)
		ends <- assert.AnError
		began := time.Now()
		ends <- assert.AnError
		assert.InEpsilon(t, engine.DefaultRestartDelay, time.Since(began), 0.1)
	})
}

func TestErrBounceHasNoBackoff(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var d diary
		ends := make(chan error)
		e := run(t, config(), dependency.Manifolds{"a": ending(&d, "a", ends)})
		began := time.Now()
		for range 100 {
			time.Sleep(engine.DefaultRestartDelay)
			ends <- fmt.Errorf("wrapped: %w", dependency.ErrBounce)
			synctest.Wait()
		}
		assert.Equal(t, 100*engine.DefaultRestartDelay, time.Since(began), "nothing is added")
		n := node(t, e, "a")
		assert.Equal(t, 101, n.Starts)
		assert.Equal(t, map[engine.RestartCause]int{engine.CauseBounce: 100}, n.Restarts)
		assert.Empty(t, n.LastError, "a bounce is no failure")
	})
}

func TestAWorkerThatOnlyBouncesDoesntBurnACore(t *testing.T) {
	for name, start := range map[string]func() (worker.Worker, error){
		"its worker": func() (worker.Worker, error) {
			return newTask(func(<-chan struct{}) error { return dependency.ErrBounce }), nil
		},
		"its Start": func() (worker.Worker, error) { return nil, dependency.ErrBounce },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				var starts atomic.Int64
				e := run(t, config(), dependency.Manifolds{"a": starting(func() (worker.Worker, error) {
					starts.Add(1)
					return start()
				})})
				synctest.Wait()
				assert.EqualValues(t, 10, starts.Load(), "at once")
				pass(10*engine.DefaultRestartDelay - 1)
				assert.EqualValues(t, 19, starts.Load())
				assert.Contains(t, node(t, e, "a").Explain(), "asks to be restarted again and again")
			})
		})
	}
}

func TestQuickBouncesCountOnlyInARow(t *testing.T) {
	bubble(t, func(t *testing.T) {
		starts := 0
		e := run(t, config(), dependency.Manifolds{
			"root": simple(),
			"a": starting(func() (worker.Worker, error) { // once for each root, as one that waits to be ready
				if starts++; starts%2 == 1 {
					return nil, dependency.ErrBounce
				}
				return newTask(untilKilled), nil
			}, "root"),
		})
		for range 20 {
			assert.Equal(t, engine.StateRunning, node(t, e, "a").State)
			time.Sleep(time.Minute)
			require.NoError(t, e.Bounce("root"))
		}
	})
}

func TestTenThousandSelfRestartsLeaveNothingBehind(t *testing.T) {
	const restarts = 10_000
	starts := 0
	ended := make(chan struct{})
	end := []error{dependency.ErrBounce, assert.AnError}
	conf := config()
	conf.RestartDelay, conf.MaxRestartDelay = time.Nanosecond, time.Nanosecond
	e := run(t, conf, dependency.Manifolds{
		"root": simple(),
		"a": {Inputs: []string{"root"}, Start: func(context.Context, dependency.Getter) (worker.Worker, error) {
			starts++
			if starts > 2*restarts {
				if starts == 2*restarts+1 {
					close(ended)
				}
				return newTask(untilKilled), nil
			}
			if starts == restarts {
				ended <- struct{}{}
				<-ended
			}
			return nil, end[starts%2]
		}},
	})
	<-ended
	before := heap()
	ended <- struct{}{}
	<-ended
	after := heap()
	perRestart := (float64(after) - float64(before)) / restarts
	t.Logf("%.1f bytes a restart", perRestart)
	assert.Less(t, perRestart, 100.0)
	e.Kill()
	require.NoError(t, e.Wait())
}

// heap is what lives on it.
func heap() uint64 {
	var m runtime.MemStats
	for range 3 {
		runtime.GC()
	}
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func TestErrUninstallCountsAlsoWhileStopping(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var d diary
		e := run(t, config(), dependency.Manifolds{
			"root": d.manifold("root", untilKilled),
			"a": d.manifold("a", func(dying <-chan struct{}) error {
				<-dying
				return fmt.Errorf("not needed here: %w", dependency.ErrUninstall)
			}, "root"),
			"b": d.manifold("b", untilKilled, "a"),
			"c": d.manifold("c", untilKilled, "b"),
		})
		synctest.Wait()
		require.NoError(t, e.Bounce("root"))
		assert.Equal(t, map[string]engine.State{
			"root": engine.StateRunning, "a": engine.StateRemoved, "b": engine.StateBlocked, "c": engine.StateBlocked,
		}, states(e))
		assert.Equal(t, []engine.Cause{
			{Node: "c", Reason: "waits for b"},
			{Node: "b", Reason: "waits for a"},
			{Node: "a", Reason: "uninstalled itself: not needed here: resource permanently unavailable"},
		}, node(t, e, "c").Why)

		require.ErrorIs(t, e.Bounce("a"), engine.ErrUnknown)
		require.NoError(t, e.Install("a", simple()))
		assert.Equal(t, engine.StateRunning, node(t, e, "c").State, "its name can be given again")
	})
}

func TestAWorkerThatEndsWithoutErrorIsFinishedUntilAnInputChanges(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var d diary
		e := run(t, config(), dependency.Manifolds{
			"root": d.manifold("root", untilKilled),
			"once": d.manifold("once", func(<-chan struct{}) error { return nil }, "root"),
			"user": d.manifold("user", untilKilled, "once"),
		})
		pass(time.Hour)
		assert.Equal(t, engine.StateFinished, node(t, e, "once").State)
		assert.Equal(t, "waits for once: has finished", node(t, e, "user").Explain())
		assert.Equal(t, 1, d.count("+once"))
		require.NoError(t, e.Bounce("root"))
		pass(time.Hour)
		assert.Equal(t, 2, d.count("+once"))
		require.NoError(t, e.Bounce("once"))
		pass(time.Hour)
		assert.Equal(t, 3, d.count("+once"), "or until it is bounced")
		assert.Equal(t, map[engine.RestartCause]int{engine.CauseInput: 1, engine.CauseBounce: 1}, node(t, e, "once").Restarts)
	})
}

func TestErrMissingWaitsForAnInputToChange(t *testing.T) {
	bubble(t, func(t *testing.T) {
		starts := 0
		var ready atomic.Bool
		e := run(t, config(), dependency.Manifolds{
			"root": simple(),
			"a": starting(func() (worker.Worker, error) {
				starts++
				if !ready.Load() {
					return nil, fmt.Errorf("no licence: %w", dependency.ErrMissing)
				}
				return newTask(untilKilled), nil
			}, "root"),
		})
		pass(time.Hour)
		assert.Equal(t, 1, starts)
		n := node(t, e, "a")
		assert.Equal(t, engine.StateBlocked, n.State)
		assert.Equal(t, "can't start: no licence: dependency not available", n.Explain())
		ready.Store(true)
		require.NoError(t, e.Bounce("root"))
		assert.Equal(t, engine.StateRunning, node(t, e, "a").State)
		assert.Equal(t, 2, starts)
	})
}

func TestAnInputThatChangesEndsABackoff(t *testing.T) {
	bubble(t, func(t *testing.T) {
		starts := 0
		e := run(t, config(), dependency.Manifolds{
			"root": simple(),
			"a": starting(func() (worker.Worker, error) {
				starts++
				return nil, assert.AnError
			}, "root"),
		})
		pass(10*time.Minute + 10*second)
		synctest.Wait()
		was := starts
		require.NoError(t, e.Bounce("root"))
		synctest.Wait()
		assert.Equal(t, was+1, starts)
	})
}

func TestFilterDecidesWhatAnErrorMeans(t *testing.T) {
	bubble(t, func(t *testing.T) {
		gone := errors.New("gone")
		m := starting(func() (worker.Worker, error) { return nil, gone })
		m.Filter = func(err error) error {
			if errors.Is(err, gone) {
				return dependency.ErrUninstall
			}
			return err
		}
		e := run(t, config(), dependency.Manifolds{"a": m})
		assert.Equal(t, engine.StateRemoved, node(t, e, "a").State)
	})
}

func TestAFatalErrorStopsAllInOrder(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var d diary
		ends := make(chan error)
		conf := config()
		conf.IsFatal = func(err error) bool { return errors.Is(err, assert.AnError) }
		e, err := engine.New(conf, dependency.Manifolds{
			"root": d.manifold("root", untilKilled),
			"mid":  ending(&d, "mid", ends, "root"),
			"leaf": d.manifold("leaf", untilKilled, "mid"),
		})
		require.NoError(t, err)
		synctest.Wait()
		d.read()
		ends <- fmt.Errorf("disk full: %w", assert.AnError)
		err = e.Wait()
		require.ErrorIs(t, err, assert.AnError)
		assert.Equal(t, []string{"-mid", "-leaf", "-root"}, d.read())
		assert.Equal(t, "manifold mid: disk full: "+assert.AnError.Error(), e.Snapshot().Error)
	})
}
