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

	"github.com/muster-go/muster/engine"
	"github.com/muster-go/muster/manifold"
	"github.com/muster-go/muster/store/memstore"
)

// warming is a worker that is ready some time after its start.
type warming struct {
	worker.Worker
	ready chan struct{}
}

func (w *warming) Ready() <-chan struct{} { return w.ready }

// warm is the manifold of workers that are ready after d, and bounce when told to.
func warm(d time.Duration, bounce <-chan struct{}) dependency.Manifold {
	return dependency.Manifold{Start: func(context.Context, dependency.Getter) (worker.Worker, error) {
		ready := make(chan struct{})
		return &warming{ready: ready, Worker: work(func(dying <-chan struct{}) error {
			warm := time.After(d)
			for {
				select {
				case <-warm:
					close(ready)
				case <-bounce:
					return dependency.ErrBounce
				case <-dying:
					return nil
				}
			}
		})}, nil
	}}
}

func TestAfterReadyStartsOnceTheInputIsReady(t *testing.T) {
	everywhere(t, func(t *testing.T, run func(dependency.Manifolds) worker.Worker) {
		f, bounce := newFloor(t), make(chan struct{})
		run(dependency.Manifolds{
			"db":    manifold.GiveReady(warm(time.Minute, bounce)),
			"app":   manifold.AfterReady("db", f.guarded("box", "app", after(0))),
			"below": f.guarded("box", "below", after(0), "app"),
		})
		for range 2 { // the input's next worker isn't ready either
			time.Sleep(58 * time.Second) // and a second after the bounce
			assert.NotContains(t, f.working("box"), "app")
			time.Sleep(3 * time.Second)
			assert.Equal(t, []string{"app", "below"}, f.working("box"))
			bounce <- struct{}{}
			time.Sleep(time.Second)
			assert.NotContains(t, f.working("box"), "app")
		}
	})
}

func TestAfterReadyOfATrackerWaitsForTheFirstAnswer(t *testing.T) {
	everywhere(t, func(t *testing.T, run func(dependency.Manifolds) worker.Worker) {
		f := newFloor(t)
		b := &box{name: "box-1", service: memstore.NewService(clock.WallClock)}
		all := b.manifolds(dependency.Manifolds{"app": manifold.AfterReady("tracker", f.guarded("box-1", "app", after(0)))})
		leader := &box{name: "box-2", service: b.service}
		run(leader.manifolds(nil))
		time.Sleep(time.Minute)
		run(all)
		time.Sleep(time.Minute)
		assert.Equal(t, []string{"app"}, f.working("box-1"), "minions are ready too")
	})
}

func TestWhatIsntReadyIsMissing(t *testing.T) {
	ready := make(chan struct{})
	get := getter(func(_ string, out any) error {
		*out.(*manifold.Readier) = &warming{ready: ready}
		return nil
	})
	inner := starts(&warming{Worker: idle(), ready: ready}, nil)
	inner.Output = func(_ worker.Worker, out any) error {
		*out.(*int) = 7
		return nil
	}
	m := manifold.AfterReady("db", inner)
	assert.Equal(t, []string{"db"}, m.Inputs)
	waiter, err := m.Start(t.Context(), get)
	require.NoError(t, err)
	assert.False(t, waiter.(engine.Flag).Check())
	assert.Equal(t, `waits for "db" to be ready`, waiter.(engine.Reasoner).Reason())
	var out int
	require.ErrorIs(t, m.Output(waiter, &out), dependency.ErrMissing)
	require.ErrorIs(t, manifold.GiveReady(m).Output(waiter, new(manifold.Readier)), dependency.ErrMissing)
	close(ready)
	require.ErrorIs(t, waiter.Wait(), dependency.ErrBounce)
	w, err := m.Start(t.Context(), get)
	require.NoError(t, err)
	defer stop(t, w)
	require.NoError(t, m.Output(w, &out))
	assert.Equal(t, 7, out)
}

func TestGiveReadySaysWhatIsMissing(t *testing.T) {
	m := manifold.GiveReady(dependency.Manifold{})
	w := idleUntilTheEnd(t)
	assert.ErrorContains(t, m.Output(w, new(manifold.Readier)), "has no method Ready()")
	assert.EqualError(t, m.Output(w, new(int)), "it gives no int; it gives manifold.Readier")
	assert.EqualError(t, m.Output(w, 1), "out must be a pointer to a variable, not a int; it gives manifold.Readier")
}
