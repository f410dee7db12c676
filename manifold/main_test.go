package manifold_test

import (
	"context"
	"log/slog"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/juju/clock"
	"github.com/juju/worker/v4"
	"github.com/juju/worker/v4/dependency"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"gopkg.in/tomb.v2"

	"github.com/muster-go/muster/claimer"
	"github.com/muster-go/muster/engine"
	"github.com/muster-go/muster/manifold"
	"github.com/muster-go/muster/store"
	"github.com/muster-go/muster/store/memstore"
	"github.com/muster-go/muster/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const ttl = 10 * time.Second

var quiet = slog.New(slog.DiscardHandler)

// box is one process of a fleet, with a connection to the store of its own.
type box struct {
	name    string
	service *memstore.Service
	latest  cell[*storetest.Faults]
}

func (b *box) open(_ context.Context, _ *url.URL, clk store.Clock) (store.Driver, error) {
	faults := storetest.WithFaults(b.service.Open(), clk)
	b.latest.set(faults)
	return faults, nil
}

// faults are those of the latest connection.
func (b *box) faults() *storetest.Faults { return b.latest.get() }

func (b *box) storeConfig() manifold.StoreConfig {
	return manifold.StoreConfig{
		URL: "mem://", Openers: store.Openers{"mem": b.open},
		Options: store.Config{Clock: clock.WallClock, Logger: quiet},
	}
}

func (b *box) trackerConfig() manifold.TrackerConfig {
	return manifold.TrackerConfig{
		Claimer: "claimer", Candidate: claimer.Candidate{Name: "web", Holder: b.name}, Logger: quiet,
	}
}

// manifolds is the chain from the store to the gate, and what is given.
func (b *box) manifolds(more dependency.Manifolds) dependency.Manifolds {
	all := dependency.Manifolds{
		"store":   manifold.Store(b.storeConfig()),
		"claimer": manifold.Claimer(manifold.ClaimerConfig{Store: "store", TTL: ttl, Logger: quiet}),
		"tracker": manifold.Tracker(b.trackerConfig()),
		"gate":    manifold.Gate(manifold.GateConfig{Tracker: "tracker"}),
	}
	for name, m := range more {
		all[name] = m
	}
	return all
}

// probe asks for an input whenever that changes, and idles.
func probe(input string, ask func(dependency.Getter) error) dependency.Manifold {
	return dependency.Manifold{
		Inputs: []string{input},
		Start: func(_ context.Context, getter dependency.Getter) (worker.Worker, error) {
			if err := ask(getter); err != nil {
				return nil, err
			}
			return idle(), nil
		},
	}
}

// cell is a variable that workers set and the test reads: time passing in a bubble orders nothing.
type cell[T any] struct {
	mu    sync.Mutex
	value T
}

func (c *cell[T]) set(value T) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.value = value
}

func (c *cell[T]) get() T {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.value
}

// reader puts what the input gives as a T into where.
func reader[T any](input string, where *cell[T]) dependency.Manifold {
	return probe(input, func(getter dependency.Getter) error {
		value, err := manifold.Get[T](getter, input)
		if err == nil {
			where.set(value)
		}
		return err
	})
}

// idle is a worker that does nothing until it is killed.
func idle() worker.Worker { return work(func(dying <-chan struct{}) error { <-dying; return nil }) }

// work is a worker that runs f.
func work(f func(dying <-chan struct{}) error) worker.Worker {
	w := &working{}
	w.tomb.Go(func() error { return f(w.tomb.Dying()) })
	return w
}

type working struct{ tomb tomb.Tomb }

func (w *working) Kill()       { w.tomb.Kill(nil) }
func (w *working) Wait() error { return w.tomb.Wait() }

// underJuju runs the manifolds under the bare juju engine until the test ends.
func underJuju(t *testing.T, manifolds dependency.Manifolds) worker.Worker {
	t.Helper()
	e, err := dependency.NewEngine(dependency.EngineConfig{
		IsFatal:          func(error) bool { return false },
		WorstError:       func(err, _ error) error { return err },
		ErrorDelay:       time.Second,
		BounceDelay:      10 * time.Millisecond,
		BackoffResetTime: time.Minute,
		Clock:            clock.WallClock,
		Metrics:          dependency.DefaultMetrics(),
		Logger:           noLog{},
	})
	require.NoError(t, err)
	t.Cleanup(func() { stop(t, e) })
	require.NoError(t, dependency.Install(e, manifolds))
	return e
}

// underMuster runs the manifolds under the Muster engine until the test ends.
func underMuster(t *testing.T, manifolds dependency.Manifolds) *engine.Engine {
	t.Helper()
	e, err := engine.New(engine.Config{Clock: clock.WallClock, Logger: quiet, StopTimeout: 30 * time.Minute}, manifolds)
	require.NoError(t, err)
	t.Cleanup(func() { stop(t, e) })
	return e
}

func stop(t testing.TB, w worker.Worker) {
	t.Helper()
	w.Kill()
	require.NoError(t, w.Wait())
}

type noLog struct{}

func (noLog) Tracef(string, ...any) {}
func (noLog) Debugf(string, ...any) {}
func (noLog) Infof(string, ...any)  {}
func (noLog) Errorf(string, ...any) {}

// engines are those that the manifolds promise to work under.
var engines = map[string]func(*testing.T, dependency.Manifolds) worker.Worker{
	"juju":   underJuju,
	"muster": func(t *testing.T, manifolds dependency.Manifolds) worker.Worker { return underMuster(t, manifolds) },
}
