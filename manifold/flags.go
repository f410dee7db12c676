package manifold

import (
	"context"
	"fmt"
	"slices"

	"github.com/juju/worker/v4"
	"github.com/juju/worker/v4/dependency"

	"github.com/muster-go/muster/engine"
)

// RequireFlags adds the named flags to m's inputs, and starts m only while each of them is true. A
// flag is an input whose Output gives an *engine.Flag: Gate, StaticFlag, or your own.
//
// The Muster engine starts nothing below a false flag anyway; with RequireFlags juju's doesn't
// either. The error of a false flag has dependency.ErrMissing in its chain and the flag's reason in
// its text.
func RequireFlags(m dependency.Manifold, flags ...string) dependency.Manifold {
	start := m.Start
	if start == nil {
		return m
	}
	m.Inputs = withInputs(m.Inputs, flags...)
	m.Start = func(ctx context.Context, getter dependency.Getter) (worker.Worker, error) {
		for _, name := range flags {
			flag, err := Get[engine.Flag](getter, name)
			if err != nil {
				return nil, err
			}
			if !flag.Check() {
				return nil, falseFlag(name, reasonOf(flag))
			}
		}
		return start(ctx, getter)
	}
	return m
}

func falseFlag(name, reason string) error {
	if reason == "" {
		return fmt.Errorf("flag %q is false: %w", name, dependency.ErrMissing)
	}
	return fmt.Errorf("flag %q is false: %s: %w", name, reason, dependency.ErrMissing)
}

// reasonOf gives the reason of a flag or a worker, "" if it has none.
func reasonOf(of any) string {
	if r, ok := of.(engine.Reasoner); ok {
		return r.Reason()
	}
	return ""
}

// withInputs gives inputs with the names added, required though they may have been optional.
func withInputs(inputs []string, names ...string) []string {
	inputs = slices.Clone(inputs)
	for _, name := range names {
		inputs = slices.DeleteFunc(inputs, func(input string) bool { return input == name || input == engine.Optional(name) })
		inputs = append(inputs, name)
	}
	return inputs
}

// StaticFlag is the manifold of a flag that always has this value: for switching parts of a graph on
// or off, and for tests in the place of a Gate. Its worker idles until it is killed.
//
// Output: *engine.Flag.
func StaticFlag(value bool) dependency.Manifold {
	return dependency.Manifold{
		Start: func(context.Context, dependency.Getter) (worker.Worker, error) {
			return newStaticFlag(value), nil
		},
		Output: output(func(w *staticFlag) []offer { return []offer{as[engine.Flag](w.value)} }),
	}
}

type staticFlag struct {
	*idler
	value static
}

func newStaticFlag(value bool) *staticFlag { return &staticFlag{newIdler(), static(value)} }

// Check implements engine.Flag.
func (w *staticFlag) Check() bool { return w.value.Check() }

// Reason implements engine.Reasoner.
func (w *staticFlag) Reason() string { return w.value.Reason() }

// static is the flag without the worker.
type static bool

func (s static) Check() bool    { return bool(s) }
func (s static) Reason() string { return fmt.Sprintf("static flag: always %t", bool(s)) }
