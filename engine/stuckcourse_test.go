package engine_test

import (
	"context"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/juju/worker/v4"
	"github.com/juju/worker/v4/dependency"
	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/engine"
)

// guardian is a worker of stuckCourse: what it is given it stands on. One that guards calls Vacate,
// and may stop only when nothing lives that stands on it.
type guardian struct {
	creature

	guards bool
}

// TestWhateverIsStuckShutdownEndsAndNothingIsReleasedUnderIt lets workers of random graphs ignore
// Kill, some of them below workers that guard something: the engine ends in bounded time, and no
// guard, nor what it stands on, stops while something lives that stands on it.
func TestWhateverIsStuckShutdownEndsAndNothingIsReleasedUnderIt(t *testing.T) {
	for seed := range uint64(300) {
		bubble(t, func(t *testing.T) { stuckCourse(t, seed) })
	}
}

func stuckCourse(t *testing.T, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 11))
	names, inputs := randomGraph(rng, 3+rng.IntN(10))
	free := make(chan struct{})
	var faults diary
	var all diaryOf[*guardian]
	manifolds := dependency.Manifolds{}
	deaf := 0
	for _, name := range names {
		guards, isDeaf := rng.IntN(4) == 0, rng.IntN(4) == 0
		if guards {
			isDeaf = false
		}
		if isDeaf {
			deaf++
		}
		takes := time.Duration(rng.IntN(3)) * second
		manifolds[name] = dependency.Manifold{
			Inputs: inputs[name],
			Start: func(ctx context.Context, get dependency.Getter) (worker.Worker, error) {
				c := &guardian{creature: creature{name: name}, guards: guards}
				for _, input := range inputs[name] {
					var in *guardian
					if err := get.Get(input, &in); err != nil {
						return nil, err
					}
					c.inputs = append(c.inputs, &in.creature)
				}
				c.task = newTask(func(dying <-chan struct{}) error {
					defer c.ended.Store(true)
					<-dying
					switch {
					case guards:
						engine.Vacate(ctx)
						for _, other := range all.all() {
							if !other.ended.Load() && standsOn(&other.creature, &c.creature) {
								faults.note("%s gave up what it guards while %s lives", c.name, other.name)
							}
						}
					case isDeaf:
						<-free
					}
					time.Sleep(takes)
					return nil
				})
				all.add(c)
				return c, nil
			},
			Output: func(in worker.Worker, out any) error {
				*out.(**guardian) = in.(*guardian)
				return nil
			},
		}
	}
	e, err := engine.New(config(), manifolds)
	require.NoError(t, err)
	synctest.Wait()
	for range rng.IntN(4) {
		require.NoError(t, e.Bounce(names[rng.IntN(len(names))]))
		pass(time.Duration(rng.IntN(30)) * second)
	}
	earlier := map[*creature]bool{} // an engine that lives waits StopTimeout for a guard, not for ever
	for _, c := range all.all() {
		earlier[&c.creature] = c.killed.Load()
	}
	began := time.Now()
	e.Kill()
	err = e.Wait()
	took := time.Since(began)

	most := time.Duration(len(names)) * (engine.DefaultStopTimeout + 2*second)
	if took > most {
		faults.note("it took %v to stop", took)
	}
	if (err != nil) != (deaf > 0) {
		faults.note("%d are deaf, yet Wait says %v", deaf, err)
	}
	synctest.Wait()
	for _, c := range all.all() {
		if c.guards && !c.ended.Load() {
			for _, other := range all.all() {
				if standsOn(&c.creature, &other.creature) && other.ended.Load() && !earlier[&other.creature] {
					faults.note("%s guards something, and its %s was stopped", c.name, other.name)
				}
			}
		}
	}
	close(free)
	pass(time.Minute)
	for _, c := range slices.Backward(all.all()) { // what was left ends with the process
		c.Kill()
		_ = c.Wait()
	}
	require.Empty(t, faults.read(), "seed %d", seed)
}

func standsOn(c, other *creature) bool {
	return slices.ContainsFunc(c.inputs, func(in *creature) bool { return in == other || standsOn(in, other) })
}
