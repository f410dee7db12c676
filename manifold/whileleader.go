package manifold

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/juju/worker/v4"
	"github.com/juju/worker/v4/dependency"

	"github.com/muster-go/muster/engine"
	"github.com/muster-go/muster/tracker"
)

// WhileLeader adds the named Gate to m's inputs and runs m's workers only while it is open. Each
// worker is wrapped in one that holds the claim until it has ended, and kills it when leadership is
// lost: so that under juju's engine, too, no other candidate leads while it runs. Start gets the
// claim with its fencing token by Get[Leadership](getter, gate).
//
// While the gate is shut Start fails, with dependency.ErrMissing in the chain and the gate's reason
// in the text. Report, Check and Reason are those of m's worker, and m's Output gets m's worker.
//
// Under juju's engine a worker that depends on m's needs its own WhileLeader: that engine stops m's
// first.
func WhileLeader(gate string, m dependency.Manifold) dependency.Manifold {
	start := m.Start
	if start == nil {
		return m
	}
	m.Inputs = withInputs(m.Inputs, gate)
	m.Start = func(ctx context.Context, getter dependency.Getter) (_ worker.Worker, err error) {
		leadership, err := Get[Leadership](getter, gate)
		if err != nil {
			return nil, err
		}
		release, err := leadership.Hold()
		switch {
		case errors.Is(err, tracker.ErrNotLeader):
			return nil, fmt.Errorf("gate %q is about to shut: %w: %w", gate, err, dependency.ErrMissing)
		case err != nil:
			return nil, fmt.Errorf("gate %q: %w", gate, err)
		}
		guarding := false
		defer func() { // after a panic too
			if !guarding {
				release()
			}
		}()
		inner, err := start(ctx, getter)
		if inner == nil || err != nil {
			return inner, err
		}
		guarding = true
		return guard(inner, leadership, release), nil
	}
	m.Output = unwrapping(m.Output)
	return m
}

// guarded is a worker that holds the claim until it has ended.
type guarded struct {
	inner      worker.Worker
	leadership Leadership
	end        func() // drops the hold
	done       chan struct{}
}

func guard(inner worker.Worker, leadership Leadership, release func()) worker.Worker {
	w := &guarded{inner: inner, leadership: leadership, done: make(chan struct{})}
	w.end = sync.OnceFunc(func() {
		release()
		close(w.done)
	})
	go w.watch()
	_, isFlag := inner.(engine.Flag)
	_, reasons := inner.(engine.Reasoner)
	switch {
	case isFlag:
		return guardedFlag{w}
	case reasons:
		return guardedReasoner{w}
	}
	return w
}

// Kill implements worker.Worker.
func (w *guarded) Kill() { w.inner.Kill() }

// Wait implements worker.Worker. It drops the hold before it returns.
func (w *guarded) Wait() error {
	defer w.end()
	return w.inner.Wait()
}

// watch kills the worker when leadership was lost: juju's engine may be slow to hear of the gate. The
// Muster engine has stopped it by then, after what depends on it.
func (w *guarded) watch() {
	over := w.leadership.Lost()
	if own, ok := w.leadership.(leadership); ok {
		over = own.vacated()
	}
	select {
	case <-over:
		// A Kill that panics does so again when the engine calls it, which then tells.
		defer func() { _ = recover() }()
		w.Kill()
	case <-w.done:
	}
}

// Report implements worker.Reporter: what the inner worker reports, or else what it runs under.
func (w *guarded) Report() map[string]any {
	if reporter, ok := w.inner.(worker.Reporter); ok {
		return reporter.Report()
	}
	claim := w.leadership.Claim()
	return map[string]any{"election": claim.Name, "token": claim.Token}
}

func (w *guarded) unwrap() worker.Worker { return w.inner }

// guardedFlag is for workers that are flags, so that others aren't taken for one.
type guardedFlag struct{ *guarded }

func (w guardedFlag) Check() bool    { return w.inner.(engine.Flag).Check() }
func (w guardedFlag) Reason() string { return reasonOf(w.inner) }

// guardedReasoner is for workers that only give reasons.
type guardedReasoner struct{ *guarded }

func (w guardedReasoner) Reason() string { return reasonOf(w.inner) }
