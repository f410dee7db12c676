package engine

import (
	"errors"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/juju/worker/v4"
	"github.com/juju/worker/v4/dependency"
)

var errExpired = errors.New("a Getter can't be used outside of its Start: get what you need there and keep that")

// getter hands a Start the inputs that its run stands on.
type getter struct {
	r       *run
	expired atomic.Bool // Start has returned
}

// Get implements dependency.Getter.
func (g *getter) Get(name string, out any) error {
	if g.expired.Load() {
		return errExpired
	}
	n := g.r.n
	i := slices.Index(n.inputs, name)
	if i < 0 {
		return fmt.Errorf("%q not declared: add it to the manifold's Inputs: %w", name, dependency.ErrMissing)
	}
	w, output := g.input(i)
	switch {
	case w == nil:
		return fmt.Errorf("%q not running: %w", name, dependency.ErrMissing)
	case out == nil:
		return nil
	case output == nil:
		return fmt.Errorf("%q not exposed: its manifold has no Output: %w", name, dependency.ErrMissing)
	}
	var err error
	if panicked := guard("Output", func() { err = output(w, out) }); panicked != nil {
		logStack(n.g.config.Logger, name, panicked)
		return fmt.Errorf("output of %q: %w", name, panicked)
	}
	return err
}

// input gives the worker of the i-th input, nil if it isn't there any more, and how to expose it.
func (g *getter) input(i int) (worker.Worker, dependency.OutputFunc) {
	mu := &g.r.n.g.mu
	mu.Lock()
	defer mu.Unlock()
	if g.r.inputs == nil { // released: Start has returned
		return nil, nil
	}
	in := g.r.inputs[i]
	if in == nil || in.ended {
		return nil, nil
	}
	return in.worker, in.n.manifold.Output
}
