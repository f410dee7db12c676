package manifold_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/juju/clock"
	"github.com/juju/errors"
	"github.com/juju/worker/v4"
	"github.com/juju/worker/v4/dependency"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/claimer"
	"github.com/muster-go/muster/engine"
	"github.com/muster-go/muster/manifold"
	"github.com/muster-go/muster/store/memstore"
	"github.com/muster-go/muster/tracker"
	"github.com/muster-go/muster/tracker/trackertest"
)

// scripted runs a tracker manifold whose Claimer's every answer the test gives, and returns what a
// gate on it is started with.
func scripted(t *testing.T) (getter, *trackertest.Script) {
	t.Helper()
	script := trackertest.NewScript(clock.WallClock)
	config := (&box{name: "box-1"}).trackerConfig()
	config.Duration, config.Clock = 10*time.Second, clock.WallClock
	m := manifold.Tracker(config)
	w, err := m.Start(t.Context(), getter(func(_ string, out any) error {
		if target, ok := out.(*claimer.Claimer); ok {
			*target = script
			return nil
		}
		return dependency.ErrMissing
	}))
	require.NoError(t, err)
	t.Cleanup(func() {
		w.Kill()
		_ = w.Wait()
	})
	t.Cleanup(script.Close) // runs first
	return func(_ string, out any) error { return m.Output(w, out) }, script
}

var gate = manifold.Gate(manifold.GateConfig{Tracker: "tracker"})

func startGate(t *testing.T, get getter) (w worker.Worker, check func() bool, reason func() string) {
	t.Helper()
	w, err := gate.Start(t.Context(), get)
	require.NoError(t, err)
	var given engine.Flag
	require.NoError(t, gate.Output(w, &given))
	assert.Equal(t, given.Check(), w.(engine.Flag).Check())
	return w, given.Check, given.(engine.Reasoner).Reason
}

func TestTheValueOfAGateNeverChangesForOneInstance(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		get, script := scripted(t)
		first := script.Next(t, trackertest.Claim)
		shut, check, reason := startGate(t, get)
		synctest.Wait()
		assert.Equal(t, "not leader of web; who leads isn't known", reason())
		first.Deny("box-2#incarnation", 7)
		wait := script.Next(t, trackertest.WaitReleased)
		synctest.Wait()
		assert.False(t, check())
		assert.Equal(t, "not leader of web; leader is box-2", reason())
		assert.ErrorIs(t, gate.Output(shut, new(manifold.Leadership)), dependency.ErrMissing)
		assert.ErrorContains(t, gate.Output(shut, new(manifold.Leadership)), "leader is box-2")

		wait.Return(nil)
		script.Next(t, trackertest.Claim).Grant(8)
		require.ErrorIs(t, shut.Wait(), dependency.ErrBounce)
		assert.False(t, check(), "won, but not by this instance")

		open, check, reason := startGate(t, get)
		assert.True(t, check())
		assert.Equal(t, "leader of web with token 8", reason())
		var leadership manifold.Leadership
		require.NoError(t, gate.Output(open, &leadership))
		assert.Equal(t, uint64(8), leadership.Claim().Token)
		guarded, cancel := leadership.Context(t.Context())
		defer cancel()
		time.Sleep(10 * time.Second)
		script.Next(t, trackertest.Claim).Deny("box-3", 9)
		require.ErrorIs(t, open.Wait(), dependency.ErrBounce)
		assert.True(t, check(), "lost, and this instance has ended")
		assert.False(t, leadership.Leads())
		assert.ErrorIs(t, context.Cause(guarded), tracker.ErrLeadershipChanged)
		_, err := leadership.Hold()
		assert.ErrorIs(t, err, tracker.ErrNotLeader)

		again, check, reason := startGate(t, get)
		synctest.Wait()
		assert.False(t, check())
		assert.Equal(t, "not leader of web; leader is box-3", reason())
		stop(t, again)
	})
}

func TestAGateThatIsShutSaysWhatGoesWrong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		get, script := scripted(t)
		shut, _, reason := startGate(t, get)
		script.Next(t, trackertest.Claim).Return(errors.New("connection refused"))
		synctest.Wait()
		assert.Equal(t, `not leader of web; who leads isn't known; it is tried again: claim of "web": connection refused`, reason())
		script.Next(t, trackertest.Claim).Deny("box-2", 7)
		script.Next(t, trackertest.WaitReleased).Return(nil)
		script.Next(t, trackertest.Claim).Return(errors.New("connection refused"))
		synctest.Wait()
		assert.Equal(t, `not leader of web; leader is box-2; it is tried again: claim of "web": connection refused`, reason())
		script.Next(t, trackertest.Claim).Deny("box-2", 7)
		synctest.Wait()
		assert.Equal(t, "not leader of web; leader is box-2", reason(), "it has been told again")
		stop(t, shut)
	})
	synctest.Test(t, func(t *testing.T) {
		get, script := scripted(t)
		shut, check, reason := startGate(t, get)
		script.Next(t, trackertest.Claim).Return(claimer.ErrUnauthorized) // ends the tracker
		synctest.Wait()
		assert.False(t, check())
		assert.Equal(t, "not leader of web; the tracker stopped", reason())
		stop(t, shut)
	})
}

// fickle is an Election in which leadership is won and lost again before it can be held.
type fickle struct {
	manifold.Election
	calls chan error
}

func (f fickle) ServiceName() string          { return "web" }
func (f fickle) Hold() (*tracker.Hold, error) { return nil, tracker.ErrNotLeader }
func (f fickle) RunWhileLeader(ctx context.Context, _ func(context.Context, claimer.Claim) error) error {
	select {
	case err := <-f.calls:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func TestAGateWaitsOnWhenLeadershipIsLostBeforeItCouldBeHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := fickle{calls: make(chan error)}
		shut, _, _ := startGate(t, func(_ string, out any) error {
			*out.(*manifold.Election) = f
			return nil
		})
		ended := make(chan error, 1)
		go func() { ended <- shut.Wait() }()
		for range 3 {
			f.calls <- errors.Annotate(errors.Trace(tracker.ErrLeadershipChanged), "run")
			synctest.Wait()
			require.Empty(t, ended)
		}
		f.calls <- nil
		require.ErrorIs(t, <-ended, dependency.ErrBounce)
	})
}

// A lowering while the gate holds the claim: nothing is released before the gate has ended.
func TestAGateThatIsKilledReleasesItsHold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		get, script := scripted(t)
		script.Next(t, trackertest.Claim).Grant(1)
		synctest.Wait()
		open, check, _ := startGate(t, get)
		require.True(t, check())
		election, err := manifold.Get[manifold.Election](get, "tracker")
		require.NoError(t, err)
		resigned := make(chan error, 1)
		hold, err := election.Hold()
		require.NoError(t, err)
		stop(t, open)
		go func() {
			_, err := election.Resign(context.Background())
			resigned <- err
		}()
		synctest.Wait()
		assert.Empty(t, resigned, "another hold is out")
		shut, _, reason := startGate(t, get)
		assert.Equal(t, "not leader of web; who leads isn't known; guarded work has 1 unreleased hold(s) on the claim with token 1", reason())
		stop(t, shut)
		hold.Release()
		script.Next(t, trackertest.Release).Return(nil)
		assert.NoError(t, <-resigned)
	})
}

// LESSONS, leadership 13: a traced error was compared with ==, so the flag never bounced.
func TestLesson13ATracedErrorStillBounces(t *testing.T) {
	everywhere(t, func(t *testing.T, run func(dependency.Manifolds) worker.Worker) {
		b := &box{name: "box-1", service: memstore.NewService(clock.WallClock)}
		var election cell[manifold.Election]
		var leadership cell[manifold.Leadership]
		all := b.manifolds(dependency.Manifolds{
			"traced": tracing("tracker"),
			"gate":   manifold.Gate(manifold.GateConfig{Tracker: "traced"}),
			"a":      reader("tracker", &election),
			"app":    manifold.WhileLeader("gate", reader("gate", &leadership)),
		})
		traced := all["gate"]
		traced.Filter = func(err error) error { return errors.Annotate(errors.Trace(err), "gate") }
		all["gate"] = traced
		run(all)
		for term := range 3 {
			leadership.set(nil)
			time.Sleep(time.Minute)
			require.NotNil(t, leadership.get(), "term %d", term)
			require.True(t, leadership.get().Leads())
			held, err := election.get().Resign(t.Context())
			require.NoError(t, err)
			require.True(t, held)
		}
	})
}

// tracing gives the input's Election with every error traced and annotated.
func tracing(input string) dependency.Manifold {
	return dependency.Manifold{
		Inputs: []string{input},
		Start: func(_ context.Context, getter dependency.Getter) (worker.Worker, error) {
			election, err := manifold.Get[manifold.Election](getter, input)
			if err != nil {
				return nil, errors.Trace(err)
			}
			return &tracer{idle(), tracedElection{election}}, nil
		},
		Output: func(in worker.Worker, out any) error {
			*out.(*manifold.Election) = in.(*tracer).election
			return nil
		},
	}
}

type tracer struct {
	worker.Worker
	election manifold.Election
}

type tracedElection struct{ manifold.Election }

func (e tracedElection) Hold() (*tracker.Hold, error) {
	hold, err := e.Election.Hold()
	return hold, errors.Annotate(errors.Trace(err), "hold")
}

func (e tracedElection) RunWhileLeader(ctx context.Context, f func(context.Context, claimer.Claim) error) error {
	return errors.Annotate(errors.Trace(e.Election.RunWhileLeader(ctx, f)), "run")
}
