package manifold

import (
	"context"
	"fmt"

	"github.com/juju/worker/v4"
	"github.com/juju/worker/v4/dependency"
	"gopkg.in/tomb.v2"

	"github.com/muster-go/muster/engine"
)

// Readier is what a worker offers that is of use only some time after its Start.
type Readier interface {
	// Ready is closed when the worker is ready, and stays so.
	Ready() <-chan struct{}
}

// readiness is a Readier and no worker.
type readiness <-chan struct{}

func (r readiness) Ready() <-chan struct{} { return r }

// AfterReady adds the named input to m, and starts m only once that input's worker is ready. The
// input's Output must give a *Readier: those of this package that say so do, and GiveReady does it
// for a worker of your own.
//
// Until then a worker stands in for m's that is an engine.Flag with the value false: dependents of
// m don't start, and a snapshot says what they wait for; under juju's engine they find that what m
// gives is missing. m isn't stopped when the input's worker ceases to be ready, which it says by
// ending.
func AfterReady(name string, m dependency.Manifold) dependency.Manifold {
	start, output := m.Start, m.Output
	if start == nil {
		return m
	}
	m.Inputs = withInputs(m.Inputs, name)
	m.Start = func(ctx context.Context, getter dependency.Getter) (worker.Worker, error) {
		input, err := Get[Readier](getter, name)
		if err != nil {
			return nil, err
		}
		ready := input.Ready()
		select {
		case <-ready:
			return start(ctx, getter)
		default:
			return newWaiter(name, ready), nil
		}
	}
	if output != nil {
		m.Output = func(in worker.Worker, out any) error {
			if w, ok := in.(*waiter); ok {
				return fmt.Errorf("%s: %w", w.Reason(), dependency.ErrMissing)
			}
			return output(in, out)
		}
	}
	return m
}

// GiveReady makes a manifold whose workers are Readiers give them as *Readier, beside what its
// Output gives, for AfterReady.
func GiveReady(m dependency.Manifold) dependency.Manifold {
	output := m.Output
	m.Output = func(in worker.Worker, out any) error {
		target, asked := out.(*Readier)
		switch readier, ok := unwrapped(in).(Readier); {
		case asked && ok:
			*target = readiness(readier.Ready())
			return nil
		case output != nil:
			return output(in, out)
		case asked:
			return fmt.Errorf("the worker, a %T, has no method Ready() <-chan struct{}", in)
		}
		return wrongOut(out, "manifold.Readier")
	}
	return m
}

// waiter stands in for a worker whose input isn't ready.
type waiter struct {
	tomb tomb.Tomb
	name string
}

var (
	_ engine.Flag     = (*waiter)(nil)
	_ engine.Reasoner = (*waiter)(nil)
)

func newWaiter(name string, ready <-chan struct{}) *waiter {
	w := &waiter{name: name}
	w.tomb.Go(func() error {
		select {
		case <-ready:
			return fmt.Errorf("%q is ready: %w", name, dependency.ErrBounce)
		case <-w.tomb.Dying():
			return nil
		}
	})
	return w
}

// Kill implements worker.Worker.
func (w *waiter) Kill() { w.tomb.Kill(nil) }

// Wait implements worker.Worker.
func (w *waiter) Wait() error { return w.tomb.Wait() }

// Check implements engine.Flag.
func (*waiter) Check() bool { return false }

// Reason implements engine.Reasoner.
func (w *waiter) Reason() string { return fmt.Sprintf("waits for %q to be ready", w.name) }
