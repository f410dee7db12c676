package engine_test

import (
	"context"
	"runtime"
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

// asked is an error that does something when errors.Is asks it.
type asked struct{ is func() }

func (asked) Error() string { return "odd" }

func (a asked) Is(error) bool {
	a.is()
	return false
}

func TestAnErrorIsAskedWhatItIsWithoutTheEnginesState(t *testing.T) {
	var e *engine.Engine
	made := make(chan struct{})
	var delayed atomic.Bool
	e = run(t, config(), dependency.Manifolds{"odd": starting(func() (worker.Worker, error) {
		<-made
		return nil, asked{func() {
			done := make(chan struct{})
			go func() {
				defer close(done)
				e.Snapshot()
			}()
			select {
			case <-done:
			case <-time.After(20 * time.Second):
				delayed.Store(true)
			}
		}}
	})})
	close(made)
	require.Eventually(t, func() bool {
		n, _ := e.Snapshot().Node("odd")
		return n.LastError != ""
	}, 5*time.Minute, time.Millisecond)
	assert.False(t, delayed.Load(), "an error's method delays only the manifold")
}

func TestAPanicOfAnErrorThatIsAskedWhatItIsLeavesTheRestRunning(t *testing.T) {
	bubble(t, func(t *testing.T) {
		e := run(t, config(), dependency.Manifolds{
			"odd":   starting(func() (worker.Worker, error) { return nil, asked{func() { panic("boom") }} }),
			"other": simple(),
		})
		synctest.Wait()
		n := node(t, e, "odd")
		assert.Equal(t, engine.StateBackoff, n.State)
		assert.Equal(t, "odd: panic in Is or Unwrap of its error: boom", n.LastError)
		assert.Equal(t, engine.StateRunning, node(t, e, "other").State)
		e.Kill()
		require.NoError(t, e.Wait())
	})
}

func TestAWorkerThatCantBeWaitedForIsKilled(t *testing.T) {
	for name, wait := range map[string]func() error{
		"panic":  func() error { panic("boom") },
		"Goexit": func() error { runtime.Goexit(); return nil },
	} {
		t.Run(name+" in Wait", func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				first := newOdd()
				starts := 0
				e := run(t, config(), dependency.Manifolds{"bad": starting(func() (worker.Worker, error) {
					if starts++; starts > 1 {
						return newTask(untilKilled), nil
					}
					return unwaitable{first, wait}, nil
				})})
				n := node(t, e, "bad")
				assert.Equal(t, engine.StateBackoff, n.State)
				select {
				case <-first.dead:
				default:
					assert.Fail(t, "it lives on beside the next one")
					first.task.Kill()
				}
				pass(second)
				assert.Equal(t, engine.StateRunning, node(t, e, "bad").State)
			})
		})
	}
}

// unwaitable is a worker with another Wait.
type unwaitable struct {
	*odd
	now func() error
}

func (u unwaitable) Wait() error { return u.now() }

// nosy is a context that looks at the engine when it is asked for anything.
type nosy struct {
	context.Context
	e *engine.Engine
}

func (n nosy) Done() <-chan struct{} {
	n.e.Snapshot()
	return n.Context.Done()
}

func (n nosy) Err() error {
	n.e.Snapshot()
	return n.Context.Err()
}

func TestTheContextOfASubscriptionIsAskedWithoutTheEnginesState(t *testing.T) {
	e := run(t, config(), dependency.Manifolds{"a": simple()})
	ctx, cancel := newContext(t)
	subscribed := make(chan (<-chan engine.Event), 1)
	go func() { subscribed <- e.Subscribe(nosy{ctx, e}, 1) }()
	select {
	case events := <-subscribed:
		cancel()
		for range events { // until it is closed
		}
	case <-time.After(time.Minute):
		require.FailNow(t, "Subscribe hangs")
	}
}
