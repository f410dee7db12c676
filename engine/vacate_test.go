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

// gate is a Flag that guards a claim: it notes "release" when it gives that up, once Vacate has
// returned.
type gate struct {
	*task
	up bool
}

func (g *gate) Check() bool { return g.up }

func (g *gate) Reason() string {
	if g.up {
		return ""
	}
	return "not leader of web; leader is box-2"
}

// gateManifold falls when fall gives something. Its first worker's flag is up, later ones' are not,
// if once is set.
func gateManifold(d *diary, fall <-chan struct{}, once bool, inputs ...string) dependency.Manifold {
	starts := 0
	return dependency.Manifold{
		Inputs: inputs,
		Start: func(ctx context.Context, _ dependency.Getter) (worker.Worker, error) {
			starts++
			d.note("+gate")
			return &gate{up: starts == 1 || !once, task: d.task(func(dying <-chan struct{}) error {
				var end error
				select {
				case <-dying:
				case <-fall:
					end = dependency.ErrBounce
				}
				engine.Vacate(ctx)
				d.note("release")
				return end
			})}, nil
		},
	}
}

func TestWhenAGateFallsItsDependentsStopDeepestFirst(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var d diary
		fall := make(chan struct{})
		slow := func(dying <-chan struct{}) error {
			<-dying
			time.Sleep(3 * second)
			return nil
		}
		manifolds := dependency.Manifolds{
			"tracker": d.manifold("tracker", untilKilled),
			"gate":    gateManifold(&d, fall, true, "tracker"),
			"w0":      d.manifold("w0", slow, "gate"),
		}
		for i := range 9 { // none but the first knows of the gate
			manifolds[fmt.Sprintf("w%d", i+1)] = d.manifold(fmt.Sprintf("w%d", i+1), slow, fmt.Sprintf("w%d", i))
		}
		e := run(t, config(), manifolds)
		synctest.Wait()
		d.read()
		fall <- struct{}{}
		pass(29 * second)
		assert.NotContains(t, d.read(), "release")
		n := node(t, e, "gate")
		assert.Equal(t, engine.StateStopping, n.State)
		pass(2 * second)
		assert.Equal(t, []string{"-w0", "release", "+gate"}, d.read(), "released once the last has stopped")
		n = node(t, e, "w9")
		assert.Equal(t, engine.StateBlocked, n.State)
		assert.Equal(t, "not leader of web; leader is box-2", n.Why[len(n.Why)-1].Reason)
		assert.Equal(t, engine.Cause{Node: "w0", Reason: "waits for gate"}, n.Why[len(n.Why)-2])
		require.Len(t, n.Why, 11)
		gate := node(t, e, "gate")
		require.NotNil(t, gate.Flag)
		assert.False(t, *gate.Flag)
		assert.Equal(t, map[engine.RestartCause]int{engine.CauseBounce: 1}, gate.Restarts)
		assert.Equal(t, engine.StateRunning, node(t, e, "tracker").State)
	})
}

func TestVacateWaitsForWhatIsStuckBelowWorkersThatHaveEnded(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var d diary
		fall, free := make(chan struct{}), make(chan struct{})
		e := run(t, config(), dependency.Manifolds{
			"tracker": d.manifold("tracker", untilKilled),
			"gate":    gateManifold(&d, fall, false, "tracker"),
			"mid":     d.manifold("mid", untilKilled, "gate"),
			"bad":     d.manifold("bad", deaf(free), "mid"),
		})
		synctest.Wait()
		d.read()
		fall <- struct{}{}
		pass(time.Hour)
		assert.Equal(t, []string{"-mid"}, d.read(), "nothing is released, and nothing started")
		assert.Equal(t, []engine.Cause{
			{Node: "mid", Reason: "waits for gate"},
			{Node: "gate", Reason: "stopping: waits for bad"},
			{Node: "bad", Reason: "ignores Kill for 1h0m"},
		}, node(t, e, "mid").Why)
		close(free)
		synctest.Wait()
		assert.Equal(t, []string{"-bad", "release", "+gate", "+mid", "+bad"}, d.read())
	})
}

func TestAtShutdownWhatGuardsAStuckWorkerIsLeftWithAllItStandsOn(t *testing.T) {
	for name, fallsFirst := range map[string]bool{"killed": false, "fallen before": true} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				var d diary
				fall, free := make(chan struct{}), make(chan struct{})
				e, err := engine.New(config(), dependency.Manifolds{
					"store":   d.manifold("store", untilKilled),
					"tracker": d.manifold("tracker", untilKilled, "store"),
					"gate":    gateManifold(&d, fall, false, "tracker"),
					"mid":     d.manifold("mid", untilKilled, "gate"),
					"bad":     d.manifold("bad", deaf(free), "mid", "db"),
					"db":      d.manifold("db", untilKilled),
					"other":   d.manifold("other", untilKilled, "store"),
				})
				require.NoError(t, err)
				synctest.Wait()
				d.read()
				if fallsFirst {
					fall <- struct{}{}
					time.Sleep(time.Minute)
				}
				began := time.Now()
				e.Kill()
				err = e.Wait()
				var stuck *engine.StuckError
				require.ErrorAs(t, err, &stuck)
				assert.Equal(t, []string{"bad"}, stuck.Stuck)
				assert.Equal(t, []string{"gate", "store", "tracker"}, stuck.Left)
				assert.LessOrEqual(t, time.Since(began), engine.DefaultStopTimeout)
				assert.ElementsMatch(t, []string{"-other", "-mid", "-db"}, d.read(), "nothing that the claim needs has been stopped")
				s := e.Snapshot()
				tracker, _ := s.Node("tracker")
				assert.Equal(t, engine.StateRunning, tracker.State)
				gate, _ := s.Node("gate")
				assert.Equal(t, "stopping: waits for bad: "+gate.Why[1].Reason, gate.Explain())
				pass(time.Hour)
				assert.Empty(t, d.read())

				// A real process ends here, with all in it. The test must leave nothing behind.
				close(free)
				synctest.Wait()
				assert.Equal(t, []string{"-bad", "release"}, d.read())
				d.stopLeft()
			})
		})
	}
}

func TestAnInputThatRestartedMeanwhileIsNotLeftButWhatBothStandOnIs(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var d diary
		free := make(chan struct{})
		e, err := engine.New(config(), dependency.Manifolds{
			"store":   d.manifold("store", untilKilled),
			"tracker": d.manifold("tracker", untilKilled, "store"),
			"gate":    gateManifold(&d, nil, false, "tracker"),
			"bad":     d.manifold("bad", deaf(free), "gate"),
		})
		require.NoError(t, err)
		synctest.Wait()
		require.NoError(t, e.Bounce("tracker"))
		pass(time.Minute)
		require.Equal(t, engine.StateRunning, node(t, e, "tracker").State, "it doesn't wait for ever for a gate that waits for ever")
		require.Equal(t, engine.StateStopping, node(t, e, "gate").State)
		d.read()
		e.Kill()
		var stuck *engine.StuckError
		require.ErrorAs(t, e.Wait(), &stuck)
		assert.Equal(t, &engine.StuckError{Stuck: []string{"bad"}, Left: []string{"gate", "store"}}, stuck)
		assert.Equal(t, []string{"-tracker"}, d.read())
		close(free)
		synctest.Wait()
		d.stopLeft()
	})
}

func TestAGateBelowAGateIsLeftToo(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var d, d2 diary
		free := make(chan struct{})
		e, err := engine.New(config(), dependency.Manifolds{
			"store":    d.manifold("store", untilKilled),
			"gate":     gateManifold(&d, nil, false, "store"),
			"config":   d.manifold("config", untilKilled, "gate"),
			"district": gateManifold(&d2, nil, false, "config"),
			"bad":      d.manifold("bad", deaf(free), "district"),
		})
		require.NoError(t, err)
		synctest.Wait()
		e.Kill()
		var stuck *engine.StuckError
		require.ErrorAs(t, e.Wait(), &stuck)
		assert.Equal(t, &engine.StuckError{
			Stuck: []string{"bad"}, Left: []string{"config", "district", "gate", "store"},
		}, stuck)
		close(free)
		synctest.Wait()
		d.stopLeft()
	})
}

func TestAfterVacateAWorkerHasItsWholeTimeToStop(t *testing.T) {
	bubble(t, func(t *testing.T) {
		free := make(chan struct{})
		e := run(t, config(), dependency.Manifolds{
			"gate": {Start: func(ctx context.Context, _ dependency.Getter) (worker.Worker, error) {
				return newTask(func(dying <-chan struct{}) error {
					<-dying
					engine.Vacate(ctx)
					time.Sleep(9 * second)
					return nil
				}), nil
			}},
			"bad": starting(func() (worker.Worker, error) { return newTask(deaf(free)), nil }, "gate"),
		})
		synctest.Wait()
		require.NoError(t, e.Bounce("gate"))
		pass(time.Hour)
		close(free)
		pass(8 * second)
		assert.Equal(t, engine.StateStopping, node(t, e, "gate").State)
		pass(2 * second)
		assert.Equal(t, engine.StateRunning, node(t, e, "bad").State)
	})
}

func TestAtShutdownAGateThatWasKilledBeforeWaitsForOneBelowThatEnds(t *testing.T) {
	bubble(t, func(t *testing.T) {
		free := make(chan struct{})
		guard := func(takes time.Duration, inputs ...string) dependency.Manifold {
			return dependency.Manifold{Inputs: inputs, Start: func(ctx context.Context, _ dependency.Getter) (worker.Worker, error) {
				return newTask(func(dying <-chan struct{}) error {
					<-dying
					engine.Vacate(ctx)
					time.Sleep(takes)
					return nil
				}), nil
			}}
		}
		e := run(t, config(), dependency.Manifolds{
			"store":    simple(),
			"gate":     guard(0, "store"),
			"district": guard(9*second, "gate"),
			"bad":      starting(func() (worker.Worker, error) { return newTask(deaf(free)), nil }, "district"),
		})
		synctest.Wait()
		require.NoError(t, e.Bounce("gate"))
		pass(2*engine.DefaultStopTimeout + second) // until each goes on without the one below
		require.Contains(t, node(t, e, "gate").Explain(), "bad: ignores Kill")
		close(free)
		synctest.Wait()
		e.Kill()
		require.NoError(t, e.Wait(), "district takes its time, and nothing is stuck any more")
	})
}

func TestVacateOutsideOfAnEngineReturnsAtOnce(t *testing.T) {
	engine.Vacate(t.Context())
}

func TestVacateWithoutDependentsReturnsAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var d diary
		fall := make(chan struct{})
		e := run(t, config(), dependency.Manifolds{"gate": gateManifold(&d, fall, false)})
		synctest.Wait()
		fall <- struct{}{}
		synctest.Wait()
		assert.Equal(t, []string{"+gate", "release", "+gate"}, d.read())
		e.Kill()
		require.NoError(t, e.Wait())
	})
}
