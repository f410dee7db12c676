package engine_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/juju/worker/v4"
	"github.com/juju/worker/v4/dependency"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/engine"
)

type ctx = context.Context

// deaf is the body of a worker that ignores Kill until it is freed.
func deaf(free <-chan struct{}) func(<-chan struct{}) error {
	return func(dying <-chan struct{}) error {
		<-free
		<-dying
		return nil
	}
}

func TestAWorkerThatIgnoresKillIsGoneOnWithout(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var d diary
		free := make(chan struct{})
		e := run(t, config(), dependency.Manifolds{
			"root": d.manifold("root", untilKilled),
			"bad":  d.manifold("bad", deaf(free), "root"),
			"good": d.manifold("good", untilKilled, "root"),
		})
		synctest.Wait()
		d.read()
		require.NoError(t, e.Bounce("root"))
		pass(engine.DefaultStopTimeout - 1)
		assert.Equal(t, []string{"-good"}, d.read(), "within its time the worker is waited for")
		assert.Equal(t, []engine.Cause{
			{Node: "root", Reason: "stopping: waits for bad"}, {Node: "bad", Reason: "stopping for 9s"},
		}, node(t, e, "root").Why)

		pass(1)
		synctest.Wait()
		assert.Equal(t, []string{"-root", "+root", "+good"}, d.read())
		n := node(t, e, "bad")
		assert.Equal(t, engine.StateStuck, n.State)
		pass(32 * second)
		assert.Equal(t, []engine.Cause{{Node: "bad", Reason: "ignores Kill for 42s"}}, node(t, e, "bad").Why)

		close(free)
		assert.Equal(t, engine.StateRunning, node(t, e, "bad").State)
		assert.Equal(t, []string{"-bad", "+bad"}, d.read(), "it starts again once the old worker has ended")
	})
}

func TestAStartThatNeverReturnsIsGoneOnWithout(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var d diary
		free := make(chan struct{})
		var came []*task
		e := run(t, config(), dependency.Manifolds{
			"root": d.manifold("root", untilKilled),
			"bad": starting(func() (worker.Worker, error) {
				d.note("+bad")
				<-free
				came = append(came, newTask(untilKilled))
				return came[len(came)-1], nil
			}, "root"),
			"user": d.manifold("user", untilKilled, "bad"),
			"good": d.manifold("good", untilKilled, "root"),
		})
		pass(time.Minute)
		assert.Equal(t, []engine.Cause{
			{Node: "user", Reason: "waits for bad"}, {Node: "bad", Reason: "starting for 1m0s"},
		}, node(t, e, "user").Why)
		assert.Equal(t, engine.StateRunning, node(t, e, "good").State)
		d.read()

		require.NoError(t, e.Bounce("root"))
		pass(engine.DefaultStopTimeout)
		synctest.Wait()
		assert.Equal(t, []string{"-good", "-root", "+root", "+good"}, d.read())
		n := node(t, e, "bad")
		assert.Equal(t, engine.StateStuck, n.State)
		assert.Equal(t, "its Start doesn't return, 10s after its context ended", n.Explain())

		close(free)
		synctest.Wait()
		require.Len(t, came, 2)
		<-came[0].dead // what came late was killed
		assert.Equal(t, engine.StateRunning, node(t, e, "bad").State)
	})
}

func TestAWorkerThatAStartReturnsLateHasItsOwnTimeToStop(t *testing.T) {
	bubble(t, func(t *testing.T) {
		e := run(t, config(), dependency.Manifolds{
			"slow": {Start: func(ctx context.Context, _ dependency.Getter) (worker.Worker, error) {
				<-ctx.Done()
				pass(9 * second)
				return newTask(func(dying <-chan struct{}) error {
					<-dying
					time.Sleep(9 * second)
					return nil
				}), nil
			}},
		})
		synctest.Wait()
		e.Kill()
		began := time.Now()
		require.NoError(t, e.Wait())
		assert.Equal(t, 18*second, time.Since(began))
	})
}

func TestShutdownGoesOnWithoutWhatIsStuck(t *testing.T) {
	cases := map[string]func(free <-chan struct{}) dependency.Manifold{
		"a worker that ignores Kill": func(free <-chan struct{}) dependency.Manifold {
			return starting(func() (worker.Worker, error) { return newTask(deaf(free)), nil }, "root")
		},
		"a Start that doesn't return": func(free <-chan struct{}) dependency.Manifold {
			return starting(func() (worker.Worker, error) { <-free; return nil, assert.AnError }, "root")
		},
		"a Kill that doesn't return": func(free <-chan struct{}) dependency.Manifold {
			return starting(func() (worker.Worker, error) {
				o := newOdd()
				o.kill = func() { <-free }
				return o, nil
			}, "root")
		},
	}
	for name, bad := range cases {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				var d diary
				free := make(chan struct{})
				e, err := engine.New(config(), dependency.Manifolds{
					"root": d.manifold("root", untilKilled),
					"bad":  bad(free),
					"good": d.manifold("good", untilKilled, "root"),
					"user": d.manifold("user", untilKilled, "good"),
				})
				require.NoError(t, err)
				synctest.Wait()
				d.read()
				began := time.Now()
				e.Kill()
				var stuck *engine.StuckError
				require.ErrorAs(t, e.Wait(), &stuck)
				assert.Equal(t, &engine.StuckError{Stuck: []string{"bad"}}, stuck)
				assert.Equal(t, engine.DefaultStopTimeout, time.Since(began))
				assert.Equal(t, []string{"-user", "-good", "-root"}, d.read())
				s := e.Snapshot()
				assert.Equal(t, engine.StateFinished, s.State)
				n, _ := s.Node("bad")
				assert.Equal(t, engine.StateStuck, n.State)
				close(free)
			})
		})
	}
}

func TestWhatIsStuckAlreadyDoesntDelayShutdown(t *testing.T) {
	bubble(t, func(t *testing.T) {
		free := make(chan struct{})
		e, err := engine.New(config(), dependency.Manifolds{
			"root": simple(),
			"bad":  starting(func() (worker.Worker, error) { return newTask(deaf(free)), nil }, "root"),
		})
		require.NoError(t, err)
		synctest.Wait()
		require.NoError(t, e.Bounce("root"))
		pass(time.Minute)
		e.Kill()
		began := time.Now()
		var stuck *engine.StuckError
		require.ErrorAs(t, e.Wait(), &stuck)
		assert.Zero(t, time.Since(began))
		close(free)
	})
}

func TestShutdownIsBoundedHoweverManyAreStuck(t *testing.T) {
	bubble(t, func(t *testing.T) {
		free := make(chan struct{})
		manifolds := dependency.Manifolds{}
		var inputs []string
		for _, name := range []string{"a", "b", "c", "d", "e"} {
			manifolds[name] = starting(func() (worker.Worker, error) { return newTask(deaf(free)), nil }, inputs...)
			inputs = append(inputs, name)
		}
		e, err := engine.New(config(), manifolds)
		require.NoError(t, err)
		synctest.Wait()
		began := time.Now()
		e.Kill()
		var stuck *engine.StuckError
		require.ErrorAs(t, e.Wait(), &stuck)
		assert.Equal(t, []string{"a", "b", "c", "d", "e"}, stuck.Stuck)
		assert.Equal(t, 5*engine.DefaultStopTimeout, time.Since(began), "one after another")
		close(free)
	})
}

// Where something is stuck those above it wait for no count to fall to zero, but must look for who is
// left: that grew with the cube of the manifolds.
func TestShutdownOfALongChainOverAStuckWorkerCostsLittle(t *testing.T) {
	const length = 800
	free := make(chan struct{})
	defer close(free)
	manifolds := dependency.Manifolds{"m0": simple()}
	for i := range length {
		manifolds[fmt.Sprintf("m%d", i+1)] = simple(fmt.Sprintf("m%d", i))
	}
	up := make(chan struct{})
	manifolds["bad"] = starting(func() (worker.Worker, error) {
		close(up)
		return newTask(deaf(free)), nil
	}, fmt.Sprintf("m%d", length))
	conf := config()
	conf.StopTimeout = time.Second
	e := run(t, conf, manifolds)
	<-up
	began := time.Now()
	e.Kill()
	var stuck *engine.StuckError
	require.ErrorAs(t, e.Wait(), &stuck)
	assert.Less(t, time.Since(began), 12*time.Second, "it took 25 s and more")
}
