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

func TestOptionalInputs(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var d diary
		ends := make(chan error)
		var got []error
		opt := ending(&d, "opt", ends)
		opt.Output = func(worker.Worker, any) error { return nil }
		e := run(t, config(), dependency.Manifolds{
			"opt": opt,
			"a": {Inputs: []string{engine.Optional("opt")}, Start: getting(func(get dependency.Getter) error {
				got = append(got, get.Get("opt", new(string)))
				return nil
			})},
		})
		synctest.Wait()
		require.NoError(t, got[len(got)-1])
		got = nil

		for range 10 {
			ends <- assert.AnError
			time.Sleep(time.Minute)
		}
		n := node(t, e, "a")
		require.Len(t, got, 20, "without and with it, each time")
		require.ErrorIs(t, got[18], dependency.ErrMissing)
		require.ErrorContains(t, got[18], `"opt" not running`)
		require.NoError(t, got[19])
		assert.Equal(t, engine.StateRunning, n.State)
		assert.Equal(t, []string{"opt"}, n.Inputs)
		assert.Equal(t, []string{"opt"}, n.Optional)
		assert.GreaterOrEqual(t, n.Restarts[engine.CauseInput], 20)
	})
}

func TestAnOptionalInputThatIsBackInAMomentStartsItsDependentsOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var d diary
		slow := func(dying <-chan struct{}) error {
			<-dying
			time.Sleep(50 * time.Millisecond)
			return nil
		}
		e := run(t, config(), dependency.Manifolds{
			"root": d.manifold("root", slow),
			"opt":  d.manifold("opt", untilKilled, "root"),
			"a":    d.manifold("a", untilKilled, engine.Optional("opt")),
			"b":    d.manifold("b", untilKilled, "a", engine.Optional("opt")),
		})
		pass(second)
		assert.Equal(t, []string{"+root", "+opt", "+a", "+b"}, d.read(), "when everything starts")
		require.NoError(t, e.Bounce("opt"))
		pass(second)
		assert.Equal(t, []string{"-b", "-a", "-opt", "+opt", "+a", "+b"}, d.read())
		require.NoError(t, e.Bounce("root"))
		pass(second)
		assert.Equal(t, []string{"-b", "-a", "-opt", "-root", "+root", "+opt", "+a", "+b"}, d.read())
	})
}

func TestAnOptionalInputThatTakesLongIsntWaitedFor(t *testing.T) {
	bubble(t, func(t *testing.T) {
		free := make(chan struct{})
		var tries atomic.Int64
		e := run(t, config(), dependency.Manifolds{
			"opt":   starting(func() (worker.Worker, error) { <-free; return newTask(untilKilled), nil }),
			"a":     simple(engine.Optional("opt")),
			"b":     simple(engine.Optional("never")),
			"never": starting(func() (worker.Worker, error) { return nil, assert.AnError }),
			"poor":  starting(func() (worker.Worker, error) { tries.Add(1); return nil, assert.AnError }, engine.Optional("opt")),
		})
		pass(engine.DefaultRestartDelay - 1)
		assert.Equal(t, engine.StateBlocked, node(t, e, "a").State)
		assert.Equal(t, engine.StateRunning, node(t, e, "b").State, "what has failed isn't waited for at all, once it has")
		pass(1)
		assert.Equal(t, engine.StateRunning, node(t, e, "a").State)
		pass(time.Minute)
		assert.Greater(t, tries.Load(), int64(5), "nor after a failure")
		close(free)
		assert.Equal(t, 2, node(t, e, "a").Starts)
	})
}

func TestWhatRequiresAFlagRunsOnlyWhileItIsTrue(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var d diary
		fall := make(chan struct{})
		e := run(t, config(), dependency.Manifolds{
			"gate":     gateManifold(&d, fall, true),
			"guarded":  d.manifold("guarded", untilKilled, "gate"), // it never Gets the gate
			"watching": d.manifold("watching", untilKilled, engine.Optional("gate")),
		})
		synctest.Wait()
		assert.ElementsMatch(t, []string{"+gate", "+guarded", "+watching"}, dropRestarts(d.read()))
		fall <- struct{}{}
		assert.Equal(t, map[string]engine.State{
			"gate": engine.StateRunning, "guarded": engine.StateBlocked, "watching": engine.StateRunning,
		}, states(e))
	})
}

// dropRestarts leaves out what an optional input that came up later cost.
func dropRestarts(lines []string) []string {
	var kept []string
	seen := map[string]bool{}
	for _, l := range lines {
		if l[0] == '+' && !seen[l] {
			seen[l] = true
			kept = append(kept, l)
		}
	}
	return kept
}

func TestAGetterGivesTheInputsAndNothingElse(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var kept dependency.Getter
		out := simple()
		out.Output = func(_ worker.Worker, out any) error {
			*out.(*string) = "hello"
			return nil
		}
		var got string
		e := run(t, config(), dependency.Manifolds{
			"out": out, "mute": simple(), "stranger": simple(),
			"a": {Inputs: []string{"out", "mute"}, Start: getting(func(get dependency.Getter) error {
				kept = get
				assert.NoError(t, get.Get("out", &got))
				assert.NoError(t, get.Get("mute", nil))
				err := get.Get("mute", &got)
				assert.ErrorIs(t, err, dependency.ErrMissing)
				assert.ErrorContains(t, err, `"mute" not exposed`)
				err = get.Get("stranger", nil)
				assert.ErrorIs(t, err, dependency.ErrMissing)
				assert.ErrorContains(t, err, `"stranger" not declared`)
				return nil
			})},
		})
		assert.Equal(t, engine.StateRunning, node(t, e, "a").State)
		assert.Equal(t, "hello", got)
		assert.ErrorContains(t, kept.Get("out", &got), "outside of its Start")
	})
}

func TestTheContextOfStartLivesAsLongAsItsWorker(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var ctxs []context.Context
		e := run(t, config(), dependency.Manifolds{
			"a": {Start: func(ctx context.Context, _ dependency.Getter) (worker.Worker, error) {
				ctxs = append(ctxs, ctx)
				return newTask(untilKilled), nil
			}},
		})
		pass(time.Hour)
		require.NoError(t, ctxs[0].Err())
		require.NoError(t, e.Bounce("a"))
		synctest.Wait()
		require.Error(t, ctxs[0].Err())
		require.NoError(t, ctxs[1].Err())
	})
}
