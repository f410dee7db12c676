package engine_test

import (
	"errors"
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

func TestInstallAndUninstallAtRunTime(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var d diary
		e := run(t, config(), nil)
		require.NoError(t, e.Install("root", d.manifold("root", untilKilled)))
		require.NoError(t, e.Install("a", d.manifold("a", untilKilled, "root")))
		assert.Equal(t, engine.StateRunning, node(t, e, "a").State)
		assert.Equal(t, []string{"a"}, node(t, e, "root").Dependents)

		err := e.Install("a", simple())
		require.ErrorContains(t, err, `install of manifold "a": the name is taken`)
		err = e.Install("b", simple("rot"))
		require.ErrorContains(t, err, "root", "did you mean")
		require.Error(t, e.Install("b", dependency.Manifold{}))
		require.Error(t, e.Install("b", simple("b")))

		err = e.Uninstall("root")
		require.ErrorIs(t, err, engine.ErrInUse)
		require.ErrorContains(t, err, "a")
		require.ErrorIs(t, e.Uninstall("nobody"), engine.ErrUnknown)
		d.read()
		require.NoError(t, e.Uninstall("a"))
		assert.Equal(t, []string{"-a"}, d.read(), "it has been waited for")
		require.NoError(t, e.Uninstall("root"))
		assert.Empty(t, e.Snapshot().Nodes)

		for range 10 {
			require.NoError(t, e.Install("root", d.manifold("root", untilKilled)))
			require.NoError(t, e.Uninstall("root"), "at once, perhaps before it has started")
		}
		e.Kill()
		require.ErrorIs(t, e.Install("root", simple()), engine.ErrStopping)
		require.ErrorIs(t, e.Uninstall("root"), engine.ErrStopping)
		require.ErrorIs(t, e.Bounce("root"), engine.ErrStopping)
		require.NoError(t, e.Wait())
	})
}

func TestUninstallSaysThatAWorkerIgnoresKillAndTheManifoldLeavesWhenItEnds(t *testing.T) {
	bubble(t, func(t *testing.T) {
		free := make(chan struct{})
		e := run(t, config(), dependency.Manifolds{
			"bad": starting(func() (worker.Worker, error) { return newTask(deaf(free)), nil }),
		})
		synctest.Wait()
		var stuck *engine.StuckError
		require.ErrorAs(t, e.Uninstall("bad"), &stuck)
		assert.Equal(t, []string{"bad"}, stuck.Stuck)
		began := time.Now()
		require.ErrorAs(t, e.Uninstall("bad"), &stuck, "again")
		assert.Zero(t, time.Since(began))
		require.ErrorContains(t, e.Install("late", simple("bad")), "bad", "nobody can depend on it any more")
		close(free)
		synctest.Wait()
		assert.Empty(t, e.Snapshot().Nodes)
	})
}

func TestWhatUninstalledItselfAtRunTimeLeavesNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		e := run(t, config(), dependency.Manifolds{
			"founder": starting(func() (worker.Worker, error) { return nil, dependency.ErrUninstall }),
		})
		for i := range 100 {
			require.NoError(t, e.Install(fmt.Sprintf("job%d", i), starting(func() (worker.Worker, error) {
				return newTask(func(<-chan struct{}) error { return dependency.ErrUninstall }), nil
			})))
		}
		assert.Equal(t, map[string]engine.State{"founder": engine.StateRemoved}, states(e), "names of New are shown")

		fate := make(chan error)
		var d diary
		require.NoError(t, e.Install("job", ending(&d, "job", fate)))
		require.NoError(t, e.Install("user", simple("job")))
		synctest.Wait()
		fate <- dependency.ErrUninstall
		assert.Equal(t, engine.StateRemoved, node(t, e, "job").State, "shown while somebody waits for it")
		require.NoError(t, e.Uninstall("user"))
		assert.Equal(t, map[string]engine.State{"founder": engine.StateRemoved}, states(e))
		require.NoError(t, e.Uninstall("founder"))
		assert.Empty(t, e.Snapshot().Nodes)
	})
}

func TestWhatTakesTheNameOfARemovedOneKeepsItsRemovedInputs(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var d diary
		fate := make(chan error)
		e := run(t, config(), nil)
		require.NoError(t, e.Install("root", ending(&d, "root", fate)))
		require.NoError(t, e.Install("job", d.manifold("job", func(dying <-chan struct{}) error {
			<-dying
			return dependency.ErrUninstall
		}, "root")))
		require.NoError(t, e.Install("user", simple("job")))
		synctest.Wait()
		fate <- dependency.ErrUninstall
		synctest.Wait()
		require.NoError(t, e.Install("job", simple("root")))
		assert.Equal(t, map[string]engine.State{
			"root": engine.StateRemoved, "job": engine.StateBlocked, "user": engine.StateBlocked,
		}, states(e))
		require.NoError(t, e.Install("other", simple()))
		require.NoError(t, e.Install("root", simple()))
		assert.Equal(t, engine.StateRunning, node(t, e, "user").State)
	})
}

func TestWhatWasInstalledAndUninstalledLeavesNothingInMemory(t *testing.T) {
	const times = 3000
	e := run(t, config(), dependency.Manifolds{"root": simple()})
	change := func() {
		for range times {
			require.NoError(t, e.Install("job", simple("root")))
			require.NoError(t, e.Uninstall("job"))
		}
	}
	change()
	before := heap()
	change()
	perTime := (float64(heap()) - float64(before)) / times
	t.Logf("%.1f bytes a time", perTime)
	assert.Less(t, perTime, 100.0)
	e.Kill()
	require.NoError(t, e.Wait())
}

func TestSubscribersHearOfWhatHappensInOrder(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var d diary
		ends := make(chan error)
		e := run(t, config(), nil)
		events := e.Subscribe(t.Context(), 100)
		require.NoError(t, e.Install("root", ending(&d, "root", ends)))
		synctest.Wait()
		require.NoError(t, e.Install("a", d.manifold("a", untilKilled, "root")))
		synctest.Wait()
		broken := errors.New("broken")
		ends <- broken
		pass(second)
		require.NoError(t, e.Bounce("a"))
		synctest.Wait()
		ends <- broken
		pass(second)
		e.Kill()
		require.NoError(t, e.Wait())
		var lines []string
		for ev := range events {
			assert.Zero(t, ev.Missed)
			assert.False(t, ev.At.IsZero())
			lines = append(lines, fmt.Sprintf("%s %s %v %s", ev.Node, ev.Kind, ev.Err, ev.Cause))
		}
		assert.Equal(t, []string{
			"root started <nil> ",
			"a started <nil> ",
			"root failed broken own error",
			"a stopped <nil> input changed",
			"a blocked <nil> ",
			"root started <nil> own error",
			"a started <nil> input changed",
			"a stopped <nil> bounce",
			"a started <nil> bounce",
			"root failed broken own error",
			"a stopped <nil> input changed",
			"a blocked <nil> ",
			"root started <nil> own error",
			"a started <nil> input changed",
			"a stopped <nil> ",
			"root stopped <nil> ",
		}, lines)
	})
}

func TestASlowSubscriberMissesEventsAndIsTold(t *testing.T) {
	bubble(t, func(t *testing.T) {
		e := run(t, config(), dependency.Manifolds{"a": simple()})
		synctest.Wait()
		events := e.Subscribe(t.Context(), 2)
		bounces := func(n int) {
			for range n {
				require.NoError(t, e.Bounce("a"))
				synctest.Wait()
			}
		}
		bounces(5)
		assert.Equal(t, engine.EventStopped, (<-events).Kind)
		assert.Equal(t, engine.EventStarted, (<-events).Kind)
		bounces(1)
		bounces(3)
		e.Kill()
		require.NoError(t, e.Wait())
		ev := <-events
		assert.Equal(t, engine.EventStopped, ev.Kind)
		assert.EqualValues(t, 8, ev.Missed, "what was in the buffer stays in it")
		ev = <-events
		assert.Equal(t, engine.EventStarted, ev.Kind)
		assert.Zero(t, ev.Missed)
		last := <-events
		assert.Equal(t, engine.EventDropped, last.Kind)
		assert.EqualValues(t, 7, last.Missed)
		_, open := <-events
		assert.False(t, open)
	})
}

func TestASubscriptionEndsWithItsContextAndWithTheEngine(t *testing.T) {
	bubble(t, func(t *testing.T) {
		e := run(t, config(), nil)
		ctx, cancel := newContext(t)
		events := e.Subscribe(ctx, 0)
		cancel()
		_, open := <-events
		assert.False(t, open)
		_, open = <-e.Subscribe(ctx, 1)
		assert.False(t, open, "a context that has ended")
		e.Kill()
		require.NoError(t, e.Wait())
		_, open = <-e.Subscribe(t.Context(), 1)
		assert.False(t, open, "an engine that has ended")
	})
}
