package manifold

import (
	"context"
	"errors"
	"runtime/debug"

	"github.com/juju/worker/v4"
	"github.com/juju/worker/v4/dependency"
	"gopkg.in/tomb.v2"

	"github.com/muster-go/muster/claimer"
	"github.com/muster-go/muster/engine"
	"github.com/muster-go/muster/tracker"
)

// RunWhileLeader is the manifold of a function that runs while the named Gate is open, in the manner
// of WhileLeader: the claim is held until f has returned. f's context ends when the worker is killed
// or leadership is lost, with cause tracker.ErrLeadershipChanged then; f must heed it.
//
// When f returns nil it isn't called again before the gate has shut and opened; an error is the
// engine's to retry; one that only says that its context ended counts as nil. A panic of f becomes an
// *engine.PanicError. It gives nothing to dependents: what others depend on is WhileLeader's.
func RunWhileLeader(gate string, f func(ctx context.Context, claim claimer.Claim) error) dependency.Manifold {
	if f == nil {
		return refused(invalid("while leader", "the function is nil: nothing could ever run; give one, or leave the manifold out"))
	}
	return WhileLeader(gate, dependency.Manifold{
		Start: func(_ context.Context, getter dependency.Getter) (worker.Worker, error) {
			leadership, err := Get[Leadership](getter, gate)
			if err != nil {
				return nil, err
			}
			w := &function{}
			w.tomb.Go(func() error { return w.run(leadership, f) })
			return w, nil
		},
	})
}

// function is a worker that runs one.
type function struct{ tomb tomb.Tomb }

func (w *function) run(leadership Leadership, f func(context.Context, claimer.Claim) error) error {
	ctx, cancel := leadership.Context(w.tomb.Context(context.Background()))
	defer cancel()
	ended := make(chan error, 1)
	go func() { // of its own: a Goexit would end the tomb's without a word
		err := errGoexit
		defer func() {
			if value := recover(); value != nil {
				err = &engine.PanicError{In: "RunWhileLeader's function", Value: value, Stack: debug.Stack()}
			}
			ended <- err
		}()
		err = f(ctx, leadership.Claim())
		if ctx.Err() != nil && (errors.Is(err, context.Canceled) || errors.Is(err, tracker.ErrLeadershipChanged)) {
			err = nil
		}
	}()
	return <-ended
}

var errGoexit = errors.New("runtime.Goexit was called in RunWhileLeader's function (by t.FailNow, perhaps): return an error instead")

// Kill implements worker.Worker.
func (w *function) Kill() { w.tomb.Kill(nil) }

// Wait implements worker.Worker.
func (w *function) Wait() error { return w.tomb.Wait() }
