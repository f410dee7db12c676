package enginetest_test

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/juju/clock"
	"github.com/juju/worker/v4"
	"github.com/juju/worker/v4/dependency"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/muster-go/muster/engine"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// job is a worker that runs until it is killed or told to end.
type job struct {
	once sync.Once
	kill chan struct{}
	told chan error
}

func newJob() *job { return &job{kill: make(chan struct{}), told: make(chan error, 1)} }

func (j *job) Kill() { j.once.Do(func() { close(j.kill) }) }

func (j *job) Wait() error {
	select {
	case <-j.kill:
		return nil
	case err := <-j.told:
		return err
	}
}

func (j *job) end(err error) { j.told <- err }

// deaf is a worker that ignores Kill until it is told to end.
type deaf struct{ *job }

func (deaf) Kill() {}

// starting is a manifold with this Start.
func starting(start func() (worker.Worker, error), inputs ...string) dependency.Manifold {
	return dependency.Manifold{
		Inputs: inputs,
		Start:  func(context.Context, dependency.Getter) (worker.Worker, error) { return start() },
	}
}

// simple is a manifold of jobs.
func simple(inputs ...string) dependency.Manifold {
	return starting(func() (worker.Worker, error) { return newJob(), nil }, inputs...)
}

// failing is a manifold whose Start fails.
func failing() dependency.Manifold {
	return starting(func() (worker.Worker, error) { return nil, fmt.Errorf("no route") })
}

// run runs an engine until the test ends.
func run(t *testing.T, clk clock.Clock, manifolds dependency.Manifolds) *engine.Engine {
	t.Helper()
	e, err := engine.New(engine.Config{Clock: clk, Logger: slog.New(slog.DiscardHandler)}, manifolds)
	require.NoError(t, err)
	t.Cleanup(func() {
		e.Kill()
		_ = e.Wait()
	})
	return e
}

// recorder is a testing.TB whose failure is a result.
type recorder struct {
	testing.TB

	mu    sync.Mutex
	said  []string
	ended bool // by Fatal
}

// record gives what becomes of a test that calls the helper.
func record(t *testing.T, helper func(testing.TB)) *recorder {
	t.Helper()
	r := &recorder{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		helper(r)
	}()
	<-done
	return r
}

func (r *recorder) say(text string, ended bool) {
	r.mu.Lock()
	r.said, r.ended = append(r.said, text), r.ended || ended
	r.mu.Unlock()
	if ended {
		runtime.Goexit()
	}
}

func (r *recorder) Helper() {}

func (r *recorder) Errorf(format string, args ...any) { r.say(fmt.Sprintf(format, args...), false) }

func (r *recorder) Fatalf(format string, args ...any) { r.say(fmt.Sprintf(format, args...), true) }

// passes asserts that the helper is content.
func passes(t *testing.T, helper func(testing.TB)) {
	t.Helper()
	r := record(t, helper)
	assert.Empty(t, r.said)
}

// fails asserts that the helper fails the test without ending it, and says this.
func fails(t *testing.T, helper func(testing.TB), want ...string) {
	t.Helper()
	r := record(t, helper)
	r.check(t, false, want)
}

// ends asserts that the helper ends the test, and says this.
func ends(t *testing.T, helper func(testing.TB), want ...string) {
	t.Helper()
	r := record(t, helper)
	r.check(t, true, want)
}

func (r *recorder) check(t *testing.T, ended bool, want []string) {
	t.Helper()
	require.NotEmpty(t, r.said, "the helper was content")
	assert.Equal(t, ended, r.ended)
	for _, part := range want {
		assert.Contains(t, strings.Join(r.said, "\n"), part)
	}
}
