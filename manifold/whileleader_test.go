package manifold_test

import (
	"context"
	"errors"
	"io"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/juju/clock"
	jujuerrors "github.com/juju/errors"
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

// counted is a Leadership that counts its holds.
type counted struct {
	manifold.Leadership
	refuse error
	lost   chan struct{}

	mu    sync.Mutex
	holds int
}

func newCounted() *counted { return &counted{lost: make(chan struct{})} }

func (c *counted) Claim() claimer.Claim {
	return claimer.Claim{Candidate: claimer.Candidate{Name: "web"}, Token: 7}
}
func (c *counted) Lost() <-chan struct{} { return c.lost }

func (c *counted) Hold() (func(), error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.refuse != nil {
		return nil, c.refuse
	}
	c.holds++
	return sync.OnceFunc(func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.holds--
	}), nil
}

func (c *counted) held() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.holds
}

// get is what a manifold below the gate is started with.
func (c *counted) get(_ string, out any) error {
	*out.(*manifold.Leadership) = c
	return nil
}

// starts is a manifold of this worker.
func starts(w worker.Worker, err error) dependency.Manifold {
	return dependency.Manifold{Start: func(context.Context, dependency.Getter) (worker.Worker, error) { return w, err }}
}

func TestWhileLeaderDoesntStartWhileTheGateIsShut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		upper, script := scripted(t)
		script.Next(t, trackertest.Claim).Deny("box-2", 7)
		synctest.Wait()
		shut, _, _ := startGate(t, upper)
		defer stop(t, shut)
		synctest.Wait()
		m := manifold.WhileLeader("gate", starts(nil, io.ErrUnexpectedEOF))
		assert.Equal(t, []string{"gate"}, m.Inputs)
		_, err := m.Start(t.Context(), getter(func(_ string, out any) error { return gate.Output(shut, out) }))
		require.ErrorIs(t, err, dependency.ErrMissing)
		require.NotErrorIs(t, err, io.ErrUnexpectedEOF)
		assert.ErrorContains(t, err, "not leader of web; leader is box-2")
	})
}

func TestWhileLeaderWaitsForAGateThatIsAboutToShut(t *testing.T) {
	c := newCounted()
	c.refuse = jujuerrors.Trace(jujuerrors.Annotate(tracker.ErrNotLeader, "hold"))
	_, err := manifold.WhileLeader("gate", starts(nil, io.ErrUnexpectedEOF)).Start(t.Context(), getter(c.get))
	require.ErrorIs(t, err, dependency.ErrMissing)
	c.refuse = io.ErrClosedPipe
	_, err = manifold.WhileLeader("gate", starts(nil, io.ErrUnexpectedEOF)).Start(t.Context(), getter(c.get))
	require.ErrorIs(t, err, io.ErrClosedPipe)
	require.NotErrorIs(t, err, dependency.ErrMissing)
}

func TestWhileLeaderHoldsTheClaimForTheLifeOfItsWorker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCounted()
		w, err := manifold.WhileLeader("gate", starts(work(func(dying <-chan struct{}) error {
			<-dying
			time.Sleep(time.Hour)
			return io.EOF
		}), nil)).Start(t.Context(), getter(c.get))
		require.NoError(t, err)
		ended := make(chan error, 1)
		go func() { ended <- w.Wait() }()
		time.Sleep(time.Minute)
		assert.Equal(t, 1, c.held())
		close(c.lost) // the wrapper kills it by itself
		time.Sleep(59 * time.Minute)
		assert.Equal(t, 1, c.held(), "it hasn't ended")
		assert.Empty(t, ended)
		time.Sleep(time.Minute)
		assert.Equal(t, io.EOF, <-ended)
		assert.Zero(t, c.held())
		assert.Equal(t, io.EOF, w.Wait(), "at every call")
	})
}

func TestWhileLeaderHoldsNothingAfterAStartThatFailed(t *testing.T) {
	c := newCounted()
	_, err := manifold.WhileLeader("gate", starts(nil, io.EOF)).Start(t.Context(), getter(c.get))
	require.ErrorIs(t, err, io.EOF)
	assert.Zero(t, c.held())
	w, err := manifold.WhileLeader("gate", starts(nil, nil)).Start(t.Context(), getter(c.get))
	require.NoError(t, err)
	assert.Nil(t, w, "what to make of it is the engine's")
	assert.Zero(t, c.held())
	panics := dependency.Manifold{Start: func(context.Context, dependency.Getter) (worker.Worker, error) { panic("oops") }}
	assert.PanicsWithValue(t, "oops", func() {
		_, _ = manifold.WhileLeader("gate", panics).Start(t.Context(), getter(c.get))
	})
	assert.Zero(t, c.held())
}

// flagged is a worker that is more than that.
type flagged struct {
	worker.Worker
	engine.Flag
}

type reasoned struct{ worker.Worker }

func (reasoned) Reason() string { return "no reason" }

type reported struct{ worker.Worker }

func (reported) Report() map[string]any { return map[string]any{"jobs": 3} }

type yes struct{}

func (yes) Check() bool { return true }

func TestWhileLeaderShowsWhatItsWorkerShows(t *testing.T) {
	c := newCounted()
	wrapped := func(inner worker.Worker) worker.Worker {
		t.Helper()
		w, err := manifold.WhileLeader("gate", starts(inner, nil)).Start(t.Context(), getter(c.get))
		require.NoError(t, err)
		t.Cleanup(func() { stop(t, w) })
		return w
	}
	plain := wrapped(idle())
	_, isFlag := plain.(engine.Flag)
	assert.False(t, isFlag, "nobody takes it for a flag")
	_, reasons := plain.(engine.Reasoner)
	assert.False(t, reasons)
	assert.Equal(t, map[string]any{"election": "web", "token": uint64(7)}, plain.(worker.Reporter).Report())
	assert.Equal(t, map[string]any{"jobs": 3}, wrapped(reported{idle()}).(worker.Reporter).Report())
	assert.True(t, wrapped(flagged{idle(), yes{}}).(engine.Flag).Check())
	assert.Equal(t, "no reason", wrapped(reasoned{idle()}).(engine.Reasoner).Reason())
}

func TestWhileLeaderGivesTheOutputItsOwnWorker(t *testing.T) {
	c := newCounted()
	inner := idleUntilTheEnd(t)
	m := starts(inner, nil)
	assert.Nil(t, manifold.WhileLeader("gate", m).Output)
	m.Output = func(in worker.Worker, out any) error {
		*out.(*worker.Worker) = in
		return nil
	}
	m = manifold.WhileLeader("gate", manifold.WhileLeader("other", m))
	assert.Equal(t, []string{"other", "gate"}, m.Inputs)
	w, err := m.Start(t.Context(), getter(c.get))
	require.NoError(t, err)
	defer stop(t, w)
	assert.Equal(t, 2, c.held())
	var got worker.Worker
	require.NoError(t, m.Output(w, &got))
	assert.Same(t, inner, got)
}

func TestTheWrappersLeaveANilStartToTheEngine(t *testing.T) {
	none := dependency.Manifold{Inputs: []string{"a"}}
	assert.Nil(t, manifold.WhileLeader("gate", none).Start)
	assert.Nil(t, manifold.AfterReady("db", none).Start)
	assert.Nil(t, manifold.RequireFlags(none, "flag").Start)
}

func TestRunWhileLeaderRunsItsFunctionForEachTerm(t *testing.T) {
	everywhere(t, func(t *testing.T, run func(dependency.Manifolds) worker.Worker) {
		b := &box{name: "box-1", service: memstore.NewService(clock.WallClock)}
		var election cell[manifold.Election]
		tokens, causes := make(chan uint64, 10), make(chan error, 10)
		e := run(b.manifolds(dependency.Manifolds{
			"e": reader("tracker", &election),
			"f": manifold.RunWhileLeader("gate", func(ctx context.Context, claim claimer.Claim) error {
				tokens <- claim.Token
				<-ctx.Done()
				causes <- context.Cause(ctx)
				return ctx.Err()
			}),
			"once": manifold.RunWhileLeader("gate", func(context.Context, claimer.Claim) error { return nil }),
		}))
		time.Sleep(failover)
		resign(t, election.get())
		time.Sleep(failover)
		stop(t, e)
		require.Len(t, tokens, 2)
		first := <-tokens
		assert.Greater(t, <-tokens, first)
		require.Len(t, causes, 2)
		assert.ErrorIs(t, <-causes, tracker.ErrLeadershipChanged)
	})
}

func TestRunWhileLeaderTellsHowItsFunctionEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		end := func(f func(context.Context, claimer.Claim) error) error {
			get, _, _ := open(t)
			w, err := manifold.RunWhileLeader("gate", f).Start(t.Context(), get)
			require.NoError(t, err)
			return w.Wait()
		}
		assert.Equal(t, io.EOF, end(func(context.Context, claimer.Claim) error { return io.EOF }))
		assert.NoError(t, end(func(context.Context, claimer.Claim) error { return nil }))
		assert.ErrorIs(t, end(func(context.Context, claimer.Claim) error { return context.Canceled }), context.Canceled, "not of its own context")
		panicked, ok := errors.AsType[*engine.PanicError](end(func(context.Context, claimer.Claim) error { panic("oops") }))
		require.True(t, ok)
		assert.Equal(t, "oops", panicked.Value)
		assert.Contains(t, string(panicked.Stack), "whileleader_test.go")
	})
}

func TestRunWhileLeaderEndsWhenItsFunctionCallsGoexit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		get, _, _ := open(t)
		w, err := manifold.RunWhileLeader("gate", func(context.Context, claimer.Claim) error {
			runtime.Goexit() // as t.FailNow does
			return nil
		}).Start(t.Context(), get)
		require.NoError(t, err)
		require.ErrorContains(t, w.Wait(), "Goexit")
	})
}

// open is an open gate on a scripted tracker: what is below it gets get.
func open(t *testing.T) (get getter, w worker.Worker, script *trackertest.Script) {
	t.Helper()
	upper, script := scripted(t)
	script.Next(t, trackertest.Claim).Grant(1)
	synctest.Wait()
	w, check, _ := startGate(t, upper)
	require.True(t, check())
	t.Cleanup(func() {
		w.Kill()
		_ = w.Wait()
	})
	return func(_ string, out any) error { return gate.Output(w, out) }, w, script
}

func TestTheLeadershipOfAGateOutlivesNoTerm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		get, w, script := open(t)
		leadership, err := manifold.Get[manifold.Leadership](get, "gate")
		require.NoError(t, err)
		release, err := leadership.Hold()
		require.NoError(t, err)
		release()
		release()
		time.Sleep(10 * time.Second)
		script.Next(t, trackertest.Claim).Deny("box-2", 2)
		<-leadership.Lost()
		require.ErrorIs(t, w.Wait(), dependency.ErrBounce)
		script.Next(t, trackertest.WaitReleased).Return(nil)
		script.Next(t, trackertest.Claim).Grant(3)
		synctest.Wait()
		_, err = leadership.Hold()
		require.ErrorIs(t, err, tracker.ErrNotLeader)
		assert.ErrorContains(t, err, "the present token is 3")
		assert.False(t, leadership.Leads())
		assert.Equal(t, uint64(1), leadership.Claim().Token)
	})
}
