package endurance_test

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/juju/worker/v4"
	"github.com/juju/worker/v4/dependency"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"gopkg.in/tomb.v2"

	"github.com/muster-go/muster/engine"
)

// idle is a worker that does nothing until it is killed, or until end is closed.
type idle struct{ tomb tomb.Tomb }

func newIdle(end <-chan struct{}, with error) *idle {
	w := &idle{}
	w.tomb.Go(func() error {
		select {
		case <-w.tomb.Dying():
			return nil
		case <-end:
			return with
		}
	})
	return w
}

func (w *idle) Kill()       { w.tomb.Kill(nil) }
func (w *idle) Wait() error { return w.tomb.Wait() }

// idles is the manifold of an idle worker.
func idles(inputs ...string) dependency.Manifold {
	return starts(func(context.Context) (worker.Worker, error) { return newIdle(nil, nil), nil }, inputs...)
}

func starts(start func(context.Context) (worker.Worker, error), inputs ...string) dependency.Manifold {
	return dependency.Manifold{
		Inputs: inputs,
		Start:  func(ctx context.Context, _ dependency.Getter) (worker.Worker, error) { return start(ctx) },
	}
}

// layers is a graph of 12 workers in 4 layers.
func layers() dependency.Manifolds {
	all := dependency.Manifolds{}
	var above []string
	for layer := range 4 {
		var names []string
		for i := range 3 {
			name := fmt.Sprintf("n%d-%d", layer, i)
			all[name] = idles(above...)
			names = append(names, name)
		}
		above = names
	}
	return all
}

func newEngine(manifolds dependency.Manifolds) (*engine.Engine, error) {
	return engine.New(engine.Config{Logger: quiet, RestartDelay: time.Millisecond, MaxRestartDelay: 2 * time.Millisecond}, manifolds)
}

// runs waits until a manifold runs.
func runs(e *engine.Engine, name string) error {
	return until(e, name+" runs", func() bool {
		node, _ := e.Snapshot().Node(name)
		return node.State == engine.StateRunning
	})
}

// until waits, from event to event of the engine, for something to be so.
func until(e *engine.Engine, what string, so func() bool) error {
	ctx, cancel := soon()
	defer cancel()
	events := e.Subscribe(ctx, 1)
	for !so() {
		select {
		case _, open := <-events:
			if !open && !so() {
				return fmt.Errorf("%s: not before the engine's end, or within %v", what, patience)
			}
		case <-time.After(10 * time.Millisecond): // for what no event tells
		}
	}
	return nil
}

func TestCyclesOfAnEngineLeaveNothing(t *testing.T) {
	t.Run("that runs twelve workers", func(t *testing.T) {
		all, registry := layers(), prometheus.NewRegistry()
		oneByOne(t, 1000, func(int) error {
			e, err := engine.New(engine.Config{Logger: quiet, Metrics: registry}, all)
			if err != nil {
				return err
			}
			ctx, cancel := soon()
			defer cancel()
			e.Subscribe(ctx, 1)
			err = runs(e, "n3-0")
			engine.Handler(e).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/readyz?verbose", nil))
			_, gathered := registry.Gather()
			return errors.Join(err, gathered, end(e))
		})
	})
	t.Run("that is killed before anything has started", func(t *testing.T) {
		all := layers()
		run(t, 1000, func(int) error {
			e, err := newEngine(all)
			if err != nil {
				return err
			}
			return end(e)
		})
	})
	t.Run("that is killed while a Start waits", func(t *testing.T) {
		run(t, 1000, func(int) error {
			began := make(chan struct{})
			e, err := newEngine(dependency.Manifolds{"slow": starts(func(ctx context.Context) (worker.Worker, error) {
				close(began)
				<-ctx.Done()
				return nil, ctx.Err()
			})})
			if err != nil {
				return err
			}
			return errors.Join(hears("Start", began), end(e))
		})
	})
	t.Run("that refuses its manifolds", func(t *testing.T) {
		all := layers()
		all["broken"] = idles("n0-O")
		run(t, 1000, func(int) error {
			_, err := newEngine(all)
			if _, refused := errors.AsType[*engine.CheckError](err); !refused {
				return fmt.Errorf("not refused: %w", err)
			}
			return nil
		})
	})
	t.Run("whose workers fail, panic and can't start", func(t *testing.T) {
		broken := errors.New("broken")
		run(t, 500, func(int) error {
			tries := 0
			e, err := newEngine(dependency.Manifolds{
				"root": starts(func(context.Context) (worker.Worker, error) {
					tries++
					ended := make(chan struct{})
					switch tries {
					case 1:
						return nil, broken
					case 2:
						panic("start")
					case 3:
						close(ended)
						return newIdle(ended, broken), nil
					case 4:
						close(ended)
						return newIdle(ended, dependency.ErrBounce), nil
					}
					return newIdle(nil, nil), nil
				}),
				"below": idles("root"),
			})
			if err != nil {
				return err
			}
			return errors.Join(runs(e, "below"), end(e))
		})
	})
	t.Run("that leaves a worker behind which doesn't stop", func(t *testing.T) {
		run(t, 200, func(int) error {
			free := make(chan struct{})
			defer close(free)
			e, err := engine.New(engine.Config{Logger: quiet, StopTimeout: 5 * time.Millisecond}, dependency.Manifolds{
				"deaf": starts(func(context.Context) (worker.Worker, error) { return newDeafWorker(free), nil }), "below": idles("deaf"),
			})
			if err != nil {
				return err
			}
			if err := runs(e, "below"); err != nil {
				return err
			}
			if _, stuck := errors.AsType[*engine.StuckError](end(e)); !stuck {
				return errors.New("it isn't said to be stuck")
			}
			return nil
		})
	})
}

// deafWorker stops when it is freed, and not when it is killed.
type deafWorker struct{ free chan struct{} }

func newDeafWorker(free chan struct{}) worker.Worker { return deafWorker{free} }

func (deafWorker) Kill()         {}
func (w deafWorker) Wait() error { <-w.free; return nil }

func TestCyclesInsideAnEngineLeaveNothing(t *testing.T) {
	start := func(t *testing.T) *engine.Engine {
		e := must[*engine.Engine](t)(newEngine(dependency.Manifolds{"root": idles(), "below": idles("root"), "last": idles("below")}))
		t.Cleanup(func() { require.NoError(t, end(e)) })
		require.NoError(t, runs(e, "last"))
		return e
	}
	t.Run("of what is installed and uninstalled", func(t *testing.T) {
		e := start(t)
		oneByOne(t, 1000, func(i int) error {
			if err := e.Install("job", idles("last")); err != nil {
				return err
			}
			if i%2 == 0 {
				if err := runs(e, "job"); err != nil {
					return err
				}
			}
			return e.Uninstall("job")
		})
	})
	t.Run("of what is bounced, with all that stands on it", func(t *testing.T) {
		e := start(t)
		oneByOne(t, 1000, func(int) error {
			if err := e.Bounce("root"); err != nil {
				return err
			}
			return runs(e, "last")
		})
	})
	t.Run("of subscriptions and snapshots", func(t *testing.T) {
		e := start(t)
		run(t, 1000, func(int) error {
			ctx, cancel := context.WithCancel(context.Background())
			events := e.Subscribe(ctx, 1)
			_ = e.Snapshot()
			cancel()
			for range events { // closed by and by
			}
			return nil
		})
	})
}
