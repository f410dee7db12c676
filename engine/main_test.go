package engine_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/juju/clock"
	"github.com/juju/worker/v4"
	"github.com/juju/worker/v4/dependency"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/muster-go/muster/engine"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

// config is a Config for bubbles, in which the wall clock is as good as any.
func config() engine.Config {
	return engine.Config{Clock: clock.WallClock, Logger: quiet}
}

// task is a worker that runs body until it returns.
type task struct {
	dying, dead chan struct{}
	kill        sync.Once
	err         error
}

func newTask(body func(dying <-chan struct{}) error) *task {
	t := &task{dying: make(chan struct{}), dead: make(chan struct{})}
	go func() {
		defer close(t.dead)
		t.err = body(t.dying)
	}()
	return t
}

func (t *task) Kill() { t.kill.Do(func() { close(t.dying) }) }

func (t *task) Wait() error {
	<-t.dead
	return t.err
}

// untilKilled is the body of a worker that does as it is told.
func untilKilled(dying <-chan struct{}) error {
	<-dying
	return nil
}

// diary is what happened in which order.
type diary struct {
	mu    sync.Mutex
	lines []string
	tasks []*task // of its manifolds
}

func (d *diary) note(format string, args ...any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lines = append(d.lines, fmt.Sprintf(format, args...))
}

// read gives what was noted since the last time.
func (d *diary) read() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	lines := d.lines
	d.lines = nil
	return lines
}

func (d *diary) count(line string) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := 0
	for _, l := range d.lines {
		if l == line {
			n++
		}
	}
	return n
}

// task starts one that stopLeft stops.
func (d *diary) task(body func(dying <-chan struct{}) error) *task {
	t := newTask(body)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.tasks = append(d.tasks, t)
	return t
}

// stopLeft stops the workers that an engine left running, as the end of a process would.
func (d *diary) stopLeft() {
	d.mu.Lock()
	tasks := d.tasks
	d.mu.Unlock()
	for _, t := range slices.Backward(tasks) {
		t.Kill()
		_ = t.Wait()
	}
}

// manifold notes "+name" when its worker starts and "-name" when that has ended.
func (d *diary) manifold(name string, body func(dying <-chan struct{}) error, inputs ...string) dependency.Manifold {
	return dependency.Manifold{
		Inputs: inputs,
		Start: func(context.Context, dependency.Getter) (worker.Worker, error) {
			d.note("+%s", name)
			return d.task(func(dying <-chan struct{}) error {
				defer d.note("-%s", name)
				return body(dying)
			}), nil
		},
	}
}

// simple is a manifold of a worker that does as it is told.
func simple(inputs ...string) dependency.Manifold {
	return starting(func() (worker.Worker, error) { return newTask(untilKilled), nil }, inputs...)
}

// starting is a manifold with this Start.
func starting(start func() (worker.Worker, error), inputs ...string) dependency.Manifold {
	return dependency.Manifold{
		Inputs: inputs,
		Start:  func(context.Context, dependency.Getter) (worker.Worker, error) { return start() },
	}
}

// run starts an engine and stops it at the test's end.
func run(t *testing.T, c engine.Config, manifolds dependency.Manifolds) *engine.Engine {
	t.Helper()
	e, err := engine.New(c, manifolds)
	require.NoError(t, err)
	t.Cleanup(func() {
		e.Kill()
		_ = e.Wait()
	})
	return e
}

// node is the present state of a manifold once everything has come to rest; for bubbles.
func node(t *testing.T, e *engine.Engine, name string) engine.Node {
	t.Helper()
	synctest.Wait()
	n, found := e.Snapshot().Node(name)
	require.True(t, found, name)
	return n
}

// states are those of all manifolds once everything has come to rest; for bubbles.
func states(e *engine.Engine) map[string]engine.State {
	synctest.Wait()
	all := map[string]engine.State{}
	for _, n := range e.Snapshot().Nodes {
		all[n.Name] = n.State
	}
	return all
}

// before asserts that of two lines the first was noted earlier.
func before(t *testing.T, lines []string, first, second string) {
	t.Helper()
	i, j := slices.Index(lines, first), slices.Index(lines, second)
	require.GreaterOrEqual(t, i, 0, "no %s in %v", first, lines)
	require.GreaterOrEqual(t, j, 0, "no %s in %v", second, lines)
	require.Less(t, i, j, "%s before %s in %v", first, second, lines)
}

// bubble runs a test in a bubble, where time passes as fast as it can.
func bubble(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, test)
}

const second = time.Second

func newContext(t *testing.T) (context.Context, context.CancelFunc) {
	return context.WithCancel(t.Context())
}

// pass lets time pass, and everything come to rest.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}
