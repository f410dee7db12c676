package manifold_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/juju/clock"
	"github.com/juju/worker/v4"
	"github.com/juju/worker/v4/dependency"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/engine"
	"github.com/muster-go/muster/manifold"
	"github.com/muster-go/muster/store/memstore"
)

// Losing leadership, in any way that leaves the store reachable: what depends on the gate, directly or
// through others, stops deepest first, and only then another leads.
func TestLosingLeadershipStopsTheDeepestFirstAndThenReleases(t *testing.T) {
	for name, lose := range map[string]func(*testing.T, *engine.Engine, manifold.Election){
		"resignation":         func(t *testing.T, _ *engine.Engine, e manifold.Election) { go resign(t, e) },
		"shutdown":            func(_ *testing.T, e *engine.Engine, _ manifold.Election) { e.Kill() },
		"bounce of the store": func(t *testing.T, e *engine.Engine, _ manifold.Election) { require.NoError(t, e.Bounce("store")) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f, service := newFloor(t), memstore.NewService(clock.WallClock)
				var election cell[manifold.Election]
				graph := func(b *box) *engine.Engine {
					return underMuster(t, b.manifolds(dependency.Manifolds{
						"a": manifold.WhileLeader("gate", f.guarded(b.name, "a", after(time.Minute))),
						"b": f.guarded(b.name, "b", after(time.Minute), "a"),
						"c": manifold.WhileLeader("gate", f.guarded(b.name, "c", after(time.Minute), "b")),
						"e": reader("tracker", &election),
					}))
				}
				first := graph(&box{name: "box-1", service: service})
				time.Sleep(failover)
				mine := election.get()
				graph(&box{name: "box-2", service: service})
				time.Sleep(failover)
				require.Equal(t, []string{"box-1 +a", "box-1 +b", "box-1 +c"}, f.history())
				lose(t, first, mine)
				time.Sleep(4 * time.Minute)
				assert.Equal(t, []string{
					"box-1 -c", "box-1 -b", "box-1 -a",
					"box-2 +a", "box-2 +b", "box-2 +c",
				}, f.history())
			})
		})
	}
}

// stubborn ignores Kill until it is let go.
func stubborn(f *floor, box string, letGo <-chan struct{}) dependency.Manifold {
	return dependency.Manifold{
		Inputs: []string{"gate"},
		Start: func(context.Context, dependency.Getter) (worker.Worker, error) {
			f.enter(box, "stubborn")
			return work(func(<-chan struct{}) error {
				<-letGo
				f.leave(box, "stubborn")
				return nil
			}), nil
		},
	}
}

func TestAStuckGuardedWorkerKeepsTheClaim(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, service, letGo := newFloor(t), memstore.NewService(clock.WallClock), make(chan struct{})
		one, two := &box{name: "box-1", service: service}, &box{name: "box-2", service: service}
		var election cell[manifold.Election]
		e := underMuster(t, one.manifolds(dependency.Manifolds{"stubborn": stubborn(f, "box-1", letGo), "e": reader("tracker", &election)}))
		time.Sleep(failover)
		underMuster(t, two.manifolds(dependency.Manifolds{"app": f.guarded("box-2", "app", after(0), "gate")}))
		go resign(t, election.get())
		time.Sleep(time.Hour)
		require.Empty(t, f.working("box-2"))
		gate, _ := e.Snapshot().Node("gate")
		assert.NotEqual(t, engine.StateRunning, gate.State)
		stuck, _ := e.Snapshot().Node("stubborn")
		assert.Equal(t, engine.StateStuck, stuck.State)
		close(letGo)
		time.Sleep(time.Second)
		assert.Equal(t, []string{"app"}, f.working("box-2"))
	})
}

// A store that is bounced under a stuck guarded worker stays until that has ended, though the engine
// has given the gate and all below it up.
func TestABounceUnderAStuckGuardedWorkerKeepsTheClaim(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, service, letGo := newFloor(t), memstore.NewService(clock.WallClock), make(chan struct{})
		one, two := &box{name: "box-1", service: service}, &box{name: "box-2", service: service}
		e, err := engine.New(engine.Config{Clock: clock.WallClock, Logger: quiet}, one.manifolds(dependency.Manifolds{
			"stubborn": stubborn(f, "box-1", letGo),
			"app":      f.guarded("box-1", "app", after(0), "gate"),
		}))
		require.NoError(t, err)
		defer stop(t, e)
		time.Sleep(failover)
		underMuster(t, two.manifolds(dependency.Manifolds{"app": f.guarded("box-2", "app", after(0), "gate")}))
		time.Sleep(failover)
		require.NoError(t, e.Bounce("store"))
		time.Sleep(time.Hour)
		assert.Equal(t, []string{"stubborn"}, f.working("box-1"))
		require.Empty(t, f.working("box-2"))
		close(letGo)
		time.Sleep(failover)
		assert.Equal(t, []string{"app"}, f.working("box-2"))
		for _, name := range []string{"store", "claimer", "tracker", "gate"} {
			node, _ := e.Snapshot().Node(name)
			assert.Equal(t, engine.StateRunning, node.State, "%s is up again", name)
		}
	})
}

// R12: at shutdown the process exits without revoking, and what keeps the claim goes on until then.
func TestAnEngineThatEndsWithoutAStuckGuardedWorkerLeavesItsClaimRenewed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, service, letGo := newFloor(t), memstore.NewService(clock.WallClock), make(chan struct{})
		one, two := &box{name: "box-1", service: service}, &box{name: "box-2", service: service}
		var left []worker.Worker
		all := one.manifolds(dependency.Manifolds{"stubborn": stubborn(f, "box-1", letGo)})
		for _, name := range []string{"tracker", "claimer", "store"} {
			all[name] = kept(all[name], &left)
		}
		e, err := engine.New(engine.Config{Clock: clock.WallClock, Logger: quiet}, all)
		require.NoError(t, err)
		time.Sleep(failover)
		underMuster(t, two.manifolds(dependency.Manifolds{"app": f.guarded("box-2", "app", after(0), "gate")}))
		time.Sleep(failover)
		begun := time.Now()
		e.Kill()
		stuck, ok := errors.AsType[*engine.StuckError](e.Wait())
		require.True(t, ok)
		assert.Equal(t, engine.DefaultStopTimeout, time.Since(begun))
		assert.Equal(t, []string{"stubborn"}, stuck.Stuck)
		assert.Equal(t, []string{"claimer", "gate", "store", "tracker"}, stuck.Left)
		time.Sleep(time.Hour) // a process would have exited long ago
		require.Empty(t, f.working("box-2"))
		close(letGo)
		for _, w := range slices.Backward(left) { // what ends with the process
			w.Kill()
		}
		for _, w := range left {
			require.NoError(t, w.Wait())
		}
		time.Sleep(time.Second)
		assert.Equal(t, []string{"app"}, f.working("box-2"))
	})
}

// kept notes the manifold's workers.
func kept(m dependency.Manifold, where *[]worker.Worker) dependency.Manifold {
	start := m.Start
	m.Start = func(ctx context.Context, getter dependency.Getter) (worker.Worker, error) {
		w, err := start(ctx, getter)
		if err == nil {
			*where = append(*where, w)
		}
		return w, err
	}
	return m
}
