package engine_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/juju/worker/v4"
	"github.com/juju/worker/v4/dependency"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/engine"
)

// odd is a worker each of whose methods can be replaced.
type odd struct {
	*task
	kill, check func()
	wait        func() error
	report      func() map[string]any
	reason      func() string
}

func newOdd() *odd { return &odd{task: newTask(untilKilled)} }

func (o *odd) Kill() {
	o.task.Kill()
	if o.kill != nil {
		o.kill()
	}
}

func (o *odd) Wait() error {
	err := o.task.Wait()
	if o.wait != nil {
		return o.wait()
	}
	return err
}

func (o *odd) Report() map[string]any {
	if o.report != nil {
		return o.report()
	}
	return nil
}

// oddFlag is an odd one that is a Flag.
type oddFlag struct{ *odd }

func (o oddFlag) Check() bool {
	if o.check != nil {
		o.check()
	}
	return o.reason == nil
}

func (o oddFlag) Reason() string { return o.reason() }

// panicky are the functions of a manifold, each of which panics in turn. In the test "bad" has one
// dependent, "user".
var panicky = map[string]struct {
	make  func() dependency.Manifold
	state engine.State // of bad
}{
	"Start": {func() dependency.Manifold {
		return starting(func() (worker.Worker, error) { panic("boom") })
	}, engine.StateBackoff},
	"Wait": {func() dependency.Manifold {
		return starting(func() (worker.Worker, error) {
			o := newOdd()
			o.task.Kill()
			o.wait = func() error { panic("boom") }
			return o, nil
		})
	}, engine.StateBackoff},
	"Check": {func() dependency.Manifold {
		return starting(func() (worker.Worker, error) {
			o := newOdd()
			o.check = func() { panic("boom") }
			return oddFlag{o}, nil
		})
	}, engine.StateBackoff},
	"Filter": {func() dependency.Manifold {
		m := starting(func() (worker.Worker, error) { return nil, assert.AnError })
		m.Filter = func(error) error { panic("boom") }
		return m
	}, engine.StateBackoff},
	"Report": {func() dependency.Manifold {
		return starting(func() (worker.Worker, error) {
			o := newOdd()
			o.report = func() map[string]any { panic("boom") }
			return o, nil
		})
	}, engine.StateRunning},
	"Reason": {func() dependency.Manifold {
		return starting(func() (worker.Worker, error) {
			o := newOdd()
			o.reason = func() string { panic("boom") }
			return oddFlag{o}, nil
		})
	}, engine.StateRunning},
}

func TestAPanicLeavesTheRestRunning(t *testing.T) {
	for in, c := range panicky {
		t.Run("in "+in, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				var log lockedBuffer
				conf := config()
				conf.Logger = slog.New(slog.NewTextHandler(&log, nil))
				e := run(t, conf, dependency.Manifolds{
					"bad": c.make(), "user": simple("bad"), "other": simple(),
				})
				synctest.Wait()
				e.Snapshot() // during which the panic of a Report is recorded
				n := node(t, e, "bad")
				assert.Equal(t, c.state, n.State)
				assert.Equal(t, "panic in "+in+": boom", n.LastError)
				assert.Equal(t, engine.StateRunning, node(t, e, "other").State)
				assert.Contains(t, log.String(), "fault_test.go", "the stack is logged")
				e.Kill()
				require.NoError(t, e.Wait())
			})
		})
	}
}

func TestAPanicInKillLeavesTheRestRunning(t *testing.T) {
	bubble(t, func(t *testing.T) {
		e := run(t, config(), dependency.Manifolds{
			"bad": starting(func() (worker.Worker, error) {
				o := newOdd()
				o.kill = func() { panic("boom") }
				return o, nil
			}),
			"other": simple(),
		})
		node(t, e, "bad")
		require.NoError(t, e.Bounce("bad"))
		n := node(t, e, "bad")
		assert.Equal(t, "panic in Kill: boom", n.LastError)
		assert.Equal(t, 2, n.Starts)
		assert.Equal(t, engine.StateRunning, node(t, e, "other").State)
		e.Kill()
		require.NoError(t, e.Wait())
	})
}

func TestAPanicInOutputIsAnErrorOfGet(t *testing.T) {
	bubble(t, func(t *testing.T) {
		bad := simple()
		bad.Output = func(worker.Worker, any) error { panic("boom") }
		user := dependency.Manifold{Inputs: []string{"bad"}, Start: getting(func(get dependency.Getter) error {
			return get.Get("bad", new(string))
		})}
		e := run(t, config(), dependency.Manifolds{"bad": bad, "user": user})
		n := node(t, e, "user")
		assert.Equal(t, engine.StateBackoff, n.State)
		assert.Equal(t, `output of "bad": panic in Output: boom`, n.LastError)
		assert.Equal(t, engine.StateRunning, node(t, e, "bad").State)
	})
}

func TestAPanicInIsFatalIsNotFatal(t *testing.T) {
	bubble(t, func(t *testing.T) {
		conf := config()
		conf.IsFatal = func(error) bool { panic("boom") }
		e := run(t, conf, dependency.Manifolds{
			"bad": starting(func() (worker.Worker, error) { return nil, errors.New("broken") }),
		})
		n := node(t, e, "bad")
		assert.Equal(t, engine.StateBackoff, n.State)
		assert.Contains(t, n.LastError, "broken")
		assert.Contains(t, n.LastError, "panic in IsFatal: boom")
	})
}

func TestAPanicWithAnErrorIsFoundByErrorsIs(t *testing.T) {
	bubble(t, func(t *testing.T) {
		conf := config()
		conf.IsFatal = func(err error) bool { return errors.Is(err, assert.AnError) }
		e, err := engine.New(conf, dependency.Manifolds{
			"bad": starting(func() (worker.Worker, error) { panic(assert.AnError) }),
		})
		require.NoError(t, err)
		err = e.Wait()
		var panicked *engine.PanicError
		require.ErrorAs(t, err, &panicked)
		assert.Equal(t, "Start", panicked.In)
		assert.Contains(t, string(panicked.Stack), "fault_test.go")
		assert.NotContains(t, err.Error(), "\n")
	})
}

func TestAGoexitIsAnError(t *testing.T) {
	bubble(t, func(t *testing.T) {
		e := run(t, config(), dependency.Manifolds{
			"bad": starting(func() (worker.Worker, error) { runtime.Goexit(); return nil, nil }),
		})
		n := node(t, e, "bad")
		assert.Equal(t, engine.StateBackoff, n.State)
		assert.Contains(t, n.LastError, "Goexit")
	})
}

func TestAStartWithoutWorkerAndErrorIsAnError(t *testing.T) {
	bubble(t, func(t *testing.T) {
		e := run(t, config(), dependency.Manifolds{
			"bad": starting(func() (worker.Worker, error) { return nil, nil }),
		})
		assert.Contains(t, node(t, e, "bad").LastError, "no worker and no error")
	})
}

func TestAReportThatBlocksDelaysNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		free := make(chan struct{})
		e, err := engine.New(config(), dependency.Manifolds{
			"bad": starting(func() (worker.Worker, error) {
				o := newOdd()
				o.report = func() map[string]any { <-free; return nil }
				return o, nil
			}),
			"good": starting(func() (worker.Worker, error) {
				o := newOdd()
				o.report = func() map[string]any { return map[string]any{"jobs": 3} }
				return o, nil
			}),
		})
		require.NoError(t, err)
		began := time.Now()
		n := node(t, e, "bad")
		assert.Equal(t, 100*time.Millisecond, time.Since(began))
		assert.Contains(t, n.ReportError, "doesn't answer")
		pass(42 * second)

		began = time.Now()
		assert.Contains(t, node(t, e, "bad").ReportError, "asked 42s ago")
		assert.JSONEq(t, `{"jobs": 3}`, string(node(t, e, "good").Report))
		assert.Zero(t, time.Since(began), "it isn't waited for again")

		require.NoError(t, e.Bounce("bad"))
		assert.Equal(t, 2, node(t, e, "bad").Starts, "it is restarted all the same")

		e.Kill()
		began = time.Now()
		var stuck *engine.StuckError
		require.ErrorAs(t, e.Wait(), &stuck)
		assert.Equal(t, []string{"bad"}, stuck.Stuck)
		assert.Equal(t, engine.DefaultStopTimeout, time.Since(began))
		close(free)
	})
}

func TestManyReportsThatBlockCostOneDeadline(t *testing.T) {
	bubble(t, func(t *testing.T) {
		free := make(chan struct{})
		manifolds := dependency.Manifolds{}
		for _, name := range strings.Split("abcdefghijklmnopqrstuvwxyz", "") {
			manifolds[name] = starting(func() (worker.Worker, error) {
				o := newOdd()
				o.report = func() map[string]any { <-free; return map[string]any{} }
				return o, nil
			})
		}
		e := run(t, config(), manifolds)
		node(t, e, "a")
		pass(second)
		began := time.Now()
		s := e.Snapshot()
		assert.LessOrEqual(t, time.Since(began), 100*time.Millisecond)
		for _, n := range s.Nodes {
			assert.NotEmpty(t, n.ReportError, n.Name)
		}
		close(free)
		assert.JSONEq(t, `{}`, string(node(t, e, "z").Report))
	})
}

func TestSnapshotsThatGiveUpTheSameReportsAgree(t *testing.T) {
	bubble(t, func(t *testing.T) {
		free := make(chan struct{})
		manifolds := dependency.Manifolds{}
		for i := range 300 {
			manifolds[fmt.Sprint(i)] = starting(func() (worker.Worker, error) {
				o := newOdd()
				o.report = func() map[string]any { <-free; return nil }
				return o, nil
			})
		}
		e := run(t, config(), manifolds)
		synctest.Wait()
		var wg sync.WaitGroup
		for range 8 { // the race detector sees to them
			wg.Go(func() {
				for _, n := range e.Snapshot().Nodes {
					assert.NotEmpty(t, n.ReportError)
				}
			})
		}
		wg.Wait()
		close(free)
	})
}

func TestAReportIsKeptUpTo64KiB(t *testing.T) {
	bubble(t, func(t *testing.T) {
		e := run(t, config(), dependency.Manifolds{
			"long": starting(func() (worker.Worker, error) {
				o := newOdd()
				o.report = func() map[string]any { return map[string]any{"x": strings.Repeat("x", 64<<10)} }
				return o, nil
			}),
			"odd": starting(func() (worker.Worker, error) {
				o := newOdd()
				o.report = func() map[string]any { return map[string]any{"x": func() {}} }
				return o, nil
			}),
		})
		n := node(t, e, "long")
		assert.Empty(t, n.Report)
		assert.Contains(t, n.ReportError, "65544 bytes, of at most 65536")
		assert.Contains(t, node(t, e, "odd").ReportError, "JSON")
	})
}

// getting is a Start that gets inputs and starts a worker.
func getting(get func(dependency.Getter) error) dependency.StartFunc {
	return func(_ ctx, getter dependency.Getter) (worker.Worker, error) {
		if err := get(getter); err != nil {
			return nil, err
		}
		return newTask(untilKilled), nil
	}
}

// lockedBuffer is a bytes.Buffer for several goroutines.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
