package engine_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
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

// randomGraph gives each of n names the names of some earlier ones as inputs.
func randomGraph(rng *rand.Rand, n int) (names []string, inputs map[string][]string) {
	inputs = map[string][]string{}
	for i := range n {
		name := fmt.Sprintf("m%02d", i)
		for _, j := range rng.Perm(i)[:min(i, rng.IntN(4))] {
			inputs[name] = append(inputs[name], names[j])
		}
		names = append(names, name)
	}
	return names, inputs
}

func TestOf200ShutdownsOf200StopDependentsFirst(t *testing.T) {
	for seed := range uint64(200) {
		bubble(t, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 3))
			names, inputs := randomGraph(rng, 2+rng.IntN(30))
			var d diary
			manifolds := dependency.Manifolds{}
			for _, name := range names {
				takes := time.Duration(rng.IntN(3)) * time.Second
				manifolds[name] = d.manifold(name, func(dying <-chan struct{}) error {
					<-dying
					d.note("kill %s", name)
					time.Sleep(takes)
					return nil
				}, inputs[name]...)
			}
			e, err := engine.New(config(), manifolds)
			require.NoError(t, err)
			synctest.Wait()
			require.Len(t, d.read(), len(names), "all run")
			e.Kill()
			require.NoError(t, e.Wait())
			lines := d.read()
			for _, name := range names {
				for _, input := range inputs[name] {
					before(t, lines, "-"+name, "kill "+input)
				}
			}
		})
	}
}

func TestOneRestartOfAnInputStartsEachDependentOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var d diary
		fail := make(chan error)
		e := run(t, config(), dependency.Manifolds{
			"root": d.manifold("root", func(dying <-chan struct{}) error {
				select {
				case err := <-fail:
					return err
				case <-dying:
					return nil
				}
			}),
			"a":    d.manifold("a", untilKilled, "root"),
			"b":    d.manifold("b", untilKilled, "root", "a"),
			"leaf": d.manifold("leaf", untilKilled, "b", "a", "root"),
		})
		synctest.Wait()
		require.Equal(t, []string{"+root", "+a", "+b", "+leaf"}, d.read())
		fail <- assert.AnError
		pass(second)
		require.Equal(t, []string{"-root", "-leaf", "-b", "-a", "+root", "+a", "+b", "+leaf"}, d.read())
		assert.Equal(t, map[engine.RestartCause]int{engine.CauseError: 1}, node(t, e, "root").Restarts)
		assert.Equal(t, map[engine.RestartCause]int{engine.CauseInput: 1}, node(t, e, "leaf").Restarts)
	})
}

func TestBounceStopsDependentsFirstAndStartsAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var d diary
		e := run(t, config(), dependency.Manifolds{
			"root": d.manifold("root", untilKilled),
			"a":    d.manifold("a", untilKilled, "root"),
			"b":    d.manifold("b", untilKilled, "a"),
			"side": d.manifold("side", untilKilled),
		})
		synctest.Wait()
		d.read()
		began := time.Now()
		require.NoError(t, e.Bounce("root"))
		assert.Equal(t, engine.StateRunning, node(t, e, "b").State)
		assert.Zero(t, time.Since(began), "no backoff")
		assert.Equal(t, []string{"-b", "-a", "-root", "+root", "+a", "+b"}, d.read())
		assert.Equal(t, map[engine.RestartCause]int{engine.CauseBounce: 1}, node(t, e, "root").Restarts)
		assert.ErrorIs(t, e.Bounce("nobody"), engine.ErrUnknown)
	})
}

func TestAnInputThatGoesDownIsntStartedUpon(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var d diary
		slow := func(dying <-chan struct{}) error {
			<-dying
			time.Sleep(5 * second)
			return nil
		}
		e := run(t, config(), dependency.Manifolds{
			"root": d.manifold("root", slow),
			"a":    d.manifold("a", untilKilled, "root"),
		})
		synctest.Wait()
		require.NoError(t, e.Bounce("root"))
		synctest.Wait()
		require.NoError(t, e.Install("late", d.manifold("late", untilKilled, "root")))
		pass(4 * second)
		assert.Equal(t, engine.StateBlocked, node(t, e, "late").State)
		pass(2 * second)
		lines := d.read()
		assert.Equal(t, []string{"+root", "+a", "-a", "-root", "+root"}, lines[:5])
		assert.ElementsMatch(t, []string{"+late", "+a"}, lines[5:])
	})
}

// TestWhateverWorkersDoNoneOutlivesItsInputs lets workers of random graphs fail, bounce, end, start
// slowly, stop slowly and be bounced: no worker lives while a worker that it was given has been
// killed, nor starts while a required input isn't up.
func TestWhateverWorkersDoNoneOutlivesItsInputs(t *testing.T) {
	for seed := range uint64(150) {
		bubble(t, func(t *testing.T) { randomCourse(t, seed) })
	}
}

// creature is a worker of randomCourse.
type creature struct {
	*task
	name   string
	inputs []*creature
	killed atomic.Bool
	ended  atomic.Bool
}

func (c *creature) Kill() {
	c.killed.Store(true)
	c.task.Kill()
}

func randomCourse(t *testing.T, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 7))
	names, inputs := randomGraph(rng, 2+rng.IntN(12))
	var faults diary
	var alive diaryOf[*creature]
	check := func() {
		for _, c := range alive.all() {
			for _, in := range c.inputs {
				if in.killed.Load() && !c.ended.Load() {
					faults.note("%s lives, its %s was killed", c.name, in.name)
				}
			}
		}
	}
	chance := func(p float64) bool {
		faults.mu.Lock()
		defer faults.mu.Unlock()
		return rng.Float64() < p
	}
	up := func(most time.Duration) time.Duration {
		faults.mu.Lock()
		defer faults.mu.Unlock()
		return time.Duration(rng.Int64N(int64(most)))
	}
	manifolds := dependency.Manifolds{}
	for _, name := range names {
		optional := map[string]bool{}
		declared := slices.Clone(inputs[name])
		for i, input := range declared {
			if chance(0.2) {
				optional[input] = true
				declared[i] = engine.Optional(input)
			}
		}
		manifolds[name] = dependency.Manifold{
			Inputs: declared,
			Start: func(ctx context.Context, get dependency.Getter) (worker.Worker, error) {
				c := &creature{name: name}
				for _, input := range inputs[name] {
					var in *creature
					err := get.Get(input, &in)
					switch {
					case err == nil:
						c.inputs = append(c.inputs, in)
					case optional[input]:
					default:
						// It may have died by itself since, but it must have been up.
					}
				}
				select {
				case <-time.After(up(second)):
				case <-ctx.Done():
					if chance(0.5) {
						return nil, ctx.Err()
					}
				}
				if chance(0.1) {
					return nil, assert.AnError
				}
				lasts, takes := up(20*second), up(2*second)
				if chance(0.3) {
					lasts = time.Hour
				}
				end := []error{assert.AnError, dependency.ErrBounce, nil, dependency.ErrMissing}[int(up(4))]
				c.task = newTask(func(dying <-chan struct{}) error {
					defer c.ended.Store(true)
					select {
					case <-time.After(lasts):
						return end
					case <-dying:
						check()
						time.Sleep(takes)
						return nil
					}
				})
				alive.add(c)
				return c, nil
			},
			Output: func(in worker.Worker, out any) error {
				*out.(**creature) = in.(*creature)
				return nil
			},
		}
	}
	e, err := engine.New(config(), manifolds)
	require.NoError(t, err)
	for range 60 {
		pass(up(2 * second))
		if chance(0.2) {
			require.NoError(t, e.Bounce(names[int(up(time.Duration(len(names))))]))
		}
		for _, n := range e.Snapshot().Nodes {
			if n.State == engine.StateStuck {
				faults.note("%s stuck", n.Name)
			}
			if n.State != engine.StateRunning && len(n.Why) == 0 {
				faults.note("%s %s without a reason", n.Name, n.State)
			}
		}
	}
	e.Kill()
	require.NoError(t, e.Wait())
	check()
	for _, c := range alive.all() {
		if !c.ended.Load() {
			faults.note("%s lives on", c.name)
		}
	}
	require.Empty(t, faults.read(), "seed %d", seed)
}

// diaryOf is a list of things.
type diaryOf[T any] struct {
	d     diary
	items []T
}

func (l *diaryOf[T]) add(item T) {
	l.d.mu.Lock()
	defer l.d.mu.Unlock()
	l.items = append(l.items, item)
}

func (l *diaryOf[T]) all() []T {
	l.d.mu.Lock()
	defer l.d.mu.Unlock()
	return slices.Clone(l.items)
}
