package manifold_test

import (
	"context"
	"testing"
	"time"

	"github.com/juju/clock"
	"github.com/juju/worker/v4"
	"github.com/juju/worker/v4/dependency"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/manifold"
	"github.com/muster-go/muster/store/memstore"
	"github.com/muster-go/muster/store/storetest"
)

// failover is more than it takes until another box leads.
const failover = 3 * ttl

// resign asks the box's tracker to resign and waits until it did.
func resign(t *testing.T, election manifold.Election) {
	t.Helper()
	held, err := election.Resign(context.Background())
	require.NoError(t, err)
	require.True(t, held)
}

// Under any engine: a worker that WhileLeader wraps stops slowly, and nobody else leads meanwhile.
func TestNobodyElseLeadsWhileAWrappedWorkerStops(t *testing.T) {
	for name, lose := range map[string]func(t *testing.T, engine worker.Worker, election manifold.Election){
		"shutdown":    func(t *testing.T, engine worker.Worker, _ manifold.Election) { engine.Kill() },
		"resignation": func(t *testing.T, _ worker.Worker, election manifold.Election) { go resign(t, election) },
	} {
		t.Run(name, func(t *testing.T) {
			everywhere(t, func(t *testing.T, run func(dependency.Manifolds) worker.Worker) {
				f, service := newFloor(t), memstore.NewService(clock.WallClock)
				one, two := &box{name: "box-1", service: service}, &box{name: "box-2", service: service}
				var election cell[manifold.Election]
				first := run(one.manifolds(dependency.Manifolds{
					"app": manifold.WhileLeader("gate", f.guarded("box-1", "app", after(slowly))),
					"e":   reader("tracker", &election),
				}))
				time.Sleep(failover)
				require.Equal(t, []string{"app"}, f.working("box-1"))
				run(two.manifolds(dependency.Manifolds{
					"app": manifold.WhileLeader("gate", f.guarded("box-2", "app", after(0))),
				}))
				time.Sleep(failover)
				require.Empty(t, f.working("box-2"))

				lose(t, first, election.get())
				time.Sleep(slowly - time.Second)
				assert.Equal(t, []string{"app"}, f.working("box-1"), "it takes its time")
				assert.Empty(t, f.working("box-2"))
				time.Sleep(2 * time.Second)
				assert.Empty(t, f.working("box-1"))
				assert.Equal(t, []string{"app"}, f.working("box-2"), "at once: the claim was released")
			})
		})
	}
}

// slowly is much longer than the TTL, and shorter than the engine's StopTimeout in these tests.
const slowly = 10 * time.Minute

func TestACutOffLeaderStopsBeforeAnotherLeads(t *testing.T) {
	everywhere(t, func(t *testing.T, run func(dependency.Manifolds) worker.Worker) {
		f, service := newFloor(t), memstore.NewService(clock.WallClock)
		boxes := []*box{{name: "box-1", service: service}, {name: "box-2", service: service}}
		for _, b := range boxes {
			run(b.manifolds(dependency.Manifolds{"app": manifold.WhileLeader("gate", f.guarded(b.name, "app", after(0)))}))
			time.Sleep(failover)
		}
		for i, kind := range []storetest.FaultKind{storetest.Fail, storetest.Hang, storetest.DropReply, storetest.LateReply} {
			leader, other := boxes[i%2], boxes[(i+1)%2]
			require.Equal(t, []string{"app"}, f.working(leader.name))
			leader.faults().Inject(storetest.Fault{Kind: kind})
			time.Sleep(failover)
			assert.Empty(t, f.working(leader.name))
			assert.Equal(t, []string{"app"}, f.working(other.name))
			leader.faults().Heal()
			time.Sleep(failover)
		}
	})
}

func TestALeaderWhoseSessionExpiresStandsAgain(t *testing.T) {
	everywhere(t, func(t *testing.T, run func(dependency.Manifolds) worker.Worker) {
		f := newFloor(t)
		b := &box{name: "box-1", service: memstore.NewService(clock.WallClock)}
		run(b.manifolds(dependency.Manifolds{"app": manifold.WhileLeader("gate", f.guarded("box-1", "app", after(0)))}))
		time.Sleep(failover)
		for term := range 3 {
			require.Equal(t, term+1, f.came("box-1"))
			b.service.Wipe()
			time.Sleep(time.Second)
			require.Empty(t, f.working("box-1"), "gone at once")
			time.Sleep(2 * failover)
			require.Equal(t, []string{"app"}, f.working("box-1"))
		}
	})
}
