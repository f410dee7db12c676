package engine_test

import (
	"context"
	"fmt"
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

func TestAnOptionalInputIsFoundToComeThoughCountlessPathsLeadToWhatItWaitsFor(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var d diary
		free := make(chan struct{})
		manifolds := dependency.Manifolds{
			"a0": starting(func() (worker.Worker, error) { <-free; return newTask(untilKilled), nil }),
			"b0": simple(),
		}
		const steps = 60 // each doubles the paths
		for i := range steps {
			below := []string{fmt.Sprintf("a%d", i), fmt.Sprintf("b%d", i)}
			manifolds[fmt.Sprintf("a%d", i+1)] = simple(below...)
			manifolds[fmt.Sprintf("b%d", i+1)] = simple(below...)
		}
		manifolds["user"] = d.manifold("user", untilKilled, engine.Optional(fmt.Sprintf("a%d", steps)))
		e := run(t, config(), manifolds)
		require.Equal(t, engine.StateBlocked, node(t, e, "user").State)
		close(free)
		assert.Equal(t, engine.StateRunning, node(t, e, "user").State)
		assert.Equal(t, []string{"+user"}, d.read(), "once")
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
