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

// TestAfterAnyTroubleEverythingRunsAgain has workers fail, bounce, hang in Start, ignore Kill for a
// while and guard things, while manifolds are bounced, installed and uninstalled: once that is over
// all of them run, and at no time did two workers of a manifold live, or something below a guard that
// had been told that nothing is left.
func TestAfterAnyTroubleEverythingRunsAgain(t *testing.T) {
	for seed := range uint64(200) {
		bubble(t, func(t *testing.T) { trouble(t, seed) })
	}
}

// being is a worker of trouble.
type being struct {
	*task
	name   string
	inputs []*being
	ended  atomic.Bool
}

func (b *being) standsOn(other *being) bool {
	return slices.ContainsFunc(b.inputs, func(in *being) bool { return in == other || in.standsOn(other) })
}

func trouble(t *testing.T, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 13))
	names, inputs := randomGraph(rng, 3+rng.IntN(10))
	var faults diary
	var all diaryOf[*being]
	var calm atomic.Bool
	chance := func(p float64) bool {
		faults.mu.Lock()
		defer faults.mu.Unlock()
		return rng.Float64() < p
	}
	some := func(most time.Duration) time.Duration {
		faults.mu.Lock()
		defer faults.mu.Unlock()
		return time.Duration(rng.Int64N(int64(most)))
	}
	make := func(name string, inputs []string) dependency.Manifold {
		declared := slices.Clone(inputs)
		for i := range declared {
			if chance(0.2) {
				declared[i] = engine.Optional(declared[i])
			}
		}
		guards := chance(0.3)
		return dependency.Manifold{
			Inputs: declared,
			Start: func(ctx context.Context, get dependency.Getter) (worker.Worker, error) {
				for _, other := range all.all() {
					if other.name == name && !other.ended.Load() {
						faults.note("a second %s", name)
					}
				}
				b := &being{name: name}
				for _, input := range inputs {
					var in *being
					if get.Get(input, &in) == nil {
						b.inputs = append(b.inputs, in)
					}
				}
				switch {
				case calm.Load():
				case chance(0.1):
					time.Sleep(some(40 * second)) // whatever ctx says
				case chance(0.1):
					return nil, assert.AnError
				}
				lasts, takes := time.Duration(1<<62), some(second)
				if chance(0.3) && !calm.Load() {
					lasts = some(20 * second)
				}
				if chance(0.15) && !calm.Load() {
					takes = some(60 * second)
				}
				end := []error{assert.AnError, dependency.ErrBounce}[int(some(2))]
				b.task = newTask(func(dying <-chan struct{}) error {
					defer b.ended.Store(true)
					var err error
					select {
					case <-time.After(lasts):
						err = end
					case <-dying:
						time.Sleep(takes)
					}
					if guards {
						engine.Vacate(ctx)
						for _, other := range all.all() {
							if !other.ended.Load() && other.standsOn(b) {
								faults.note("%s lives below %s that has vacated", other.name, name)
							}
						}
					}
					return err
				})
				all.add(b)
				return b, nil
			},
			Output: func(in worker.Worker, out any) error {
				*out.(**being) = in.(*being)
				return nil
			},
		}
	}
	manifolds := dependency.Manifolds{}
	for _, name := range names {
		manifolds[name] = make(name, inputs[name])
	}
	e, err := engine.New(config(), manifolds)
	require.NoError(t, err)
	extra := 0
	for range 60 {
		pass(some(3 * second))
		switch {
		case chance(0.3):
			require.NoError(t, e.Bounce(names[int(some(time.Duration(len(names))))]))
		case chance(0.3):
			extra++
			name := fmt.Sprintf("x%d", extra)
			require.NoError(t, e.Install(name, make(name, names[:1+int(some(time.Duration(len(names))))])))
			go func() {
				time.Sleep(some(30 * second))
				_ = e.Uninstall(name)
			}()
		}
		e.Snapshot()
	}
	if seed%2 == 0 {
		calm.Store(true)
		pass(time.Hour)
		s := e.Snapshot()
		if len(s.Nodes) != len(names) {
			faults.note("%d manifolds, of %d", len(s.Nodes), len(names))
		}
		for _, n := range s.Nodes {
			if n.State != engine.StateRunning || n.Why != nil {
				faults.note("%s", n)
			}
		}
	}
	began := time.Now()
	e.Kill()
	err = e.Wait()
	if took := time.Since(began); took > time.Duration(len(names)+1)*(2*engine.DefaultStopTimeout) {
		faults.note("it took %v to stop", took)
	}
	pass(2 * time.Minute)
	if err == nil {
		for _, b := range all.all() {
			if !b.ended.Load() {
				faults.note("%s lives on", b.name)
			}
		}
	}
	for _, b := range slices.Backward(all.all()) { // what was left ends with the process
		b.Kill()
		_ = b.Wait()
	}
	synctest.Wait()
	require.Empty(t, faults.read(), "seed %d", seed)
}
