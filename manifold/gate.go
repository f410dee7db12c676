package manifold

import (
	"context"
	"errors"
	"fmt"

	"github.com/juju/worker/v4"
	"github.com/juju/worker/v4/dependency"

	"github.com/muster-go/muster/engine"
	"github.com/muster-go/muster/tracker"
)

// GateConfig says whose leadership opens Gate.
type GateConfig struct {
	// Tracker is the name of the input that gives the *Election, for example one made by Tracker.
	Tracker string
}

// Validate refuses what can't work.
func (c GateConfig) Validate() error {
	if c.Tracker == "" {
		return invalid("gate", "no Tracker: name the input that gives the election")
	}
	return nil
}

// Gate is the manifold of a flag that is true while this process leads. Its value never changes for
// one worker:
//
//	not leader (false) ──leadership won──▶ ends with ErrBounce ──▶ leader (true, with a hold)
//	       ▲                                                             │ lost, or killed
//	       └──── ends with ErrBounce ◀── hold released ◀── dependents have ended
//
// A worker that isn't leader says why in its Reason ("not leader of web; leader is box-2"). One that
// is holds the claim (see tracker.Hold). When leadership is lost, or the worker is killed, it has
// the Muster engine stop all that depends on it, directly or through others, the deepest first; it
// waits until all of that has really ended, without limit, and only then releases the hold, which
// lets the claim go. A worker that won't stop thus keeps the claim for as long as it can be renewed.
//
// juju's engine stops direct dependents when the gate has ended, and others after them: under that
// engine wrap each guarded manifold with WhileLeader, which holds the claim by itself.
//
// Output: *engine.Flag and, while leader, *Leadership. While not leader the latter's error has
// dependency.ErrMissing in its chain.
func Gate(config GateConfig) dependency.Manifold {
	if err := config.Validate(); err != nil {
		return refused(err)
	}
	return dependency.Manifold{
		Inputs: []string{config.Tracker},
		Start: func(ctx context.Context, getter dependency.Getter) (worker.Worker, error) {
			return startGate(ctx, getter, config)
		},
		Output: gateOutput,
	}
}

func startGate(ctx context.Context, getter dependency.Getter, config GateConfig) (worker.Worker, error) {
	election, err := Get[Election](getter, config.Tracker)
	if err != nil {
		return nil, err
	}
	switch hold, err := election.Hold(); {
	case err == nil:
		return newOpenGate(ctx, election, hold), nil
	case errors.Is(err, tracker.ErrNotLeader):
		return newShutGate(election), nil
	default:
		return nil, err
	}
}

// gateOutput is the Output of both kinds of workers.
func gateOutput(in worker.Worker, out any) error {
	gate, ok := in.(interface {
		engine.Flag
		engine.Reasoner
	})
	if !ok {
		return fmt.Errorf("the worker is a %T, not a gate: this Output belongs to another manifold", in)
	}
	switch out := out.(type) {
	case *engine.Flag:
		*out = flag{gate.Check, gate.Reason}
		return nil
	case *Leadership:
		open, ok := in.(*openGate)
		if !ok {
			return fmt.Errorf("%s: %w", gate.Reason(), dependency.ErrMissing)
		}
		*out = leadership{open}
		return nil
	}
	return wrongOut(out, "engine.Flag", "manifold.Leadership")
}

// flag is an engine.Flag and engine.Reasoner that is no worker.
type flag struct {
	check  func() bool
	reason func() string
}

func (f flag) Check() bool    { return f.check() }
func (f flag) Reason() string { return f.reason() }
