package manifold

import (
	"context"
	"fmt"
	"reflect"

	"github.com/juju/worker/v4"
	"github.com/juju/worker/v4/dependency"
	"gopkg.in/tomb.v2"
)

// Value is the manifold of something that needs no worker: a clock, a logger, an *http.ServeMux. Its
// worker idles until it is killed, and does nothing to the value.
//
// Output: a pointer to any type that v can be assigned to, its own or an interface that it has. A
// nil v is refused, and so is a worker, which would never be stopped.
func Value(v any) dependency.Manifold {
	value := reflect.ValueOf(v)
	switch _, isWorker := v.(worker.Worker); {
	case !value.IsValid() || isNil(value):
		return refused(invalid("value", "it is nil: give something, or leave the manifold out"))
	case isWorker:
		return refused(invalid("value", "a %T is a worker, which nobody would stop: return it from a manifold's Start", v))
	}
	return dependency.Manifold{
		Start: func(context.Context, dependency.Getter) (worker.Worker, error) {
			return newIdler(), nil
		},
		Output: func(_ worker.Worker, out any) error {
			target := reflect.ValueOf(out)
			if target.Kind() != reflect.Pointer || target.IsNil() {
				return fmt.Errorf("out must be a pointer to a variable, not a %T", out)
			}
			if !value.Type().AssignableTo(target.Type().Elem()) {
				return wrongOut(out, value.Type().String(), "any interface that it implements")
			}
			target.Elem().Set(value)
			return nil
		},
	}
}

// idler is a worker that does nothing until it is killed.
type idler struct{ tomb tomb.Tomb }

func newIdler() *idler {
	w := &idler{}
	w.tomb.Go(func() error {
		<-w.tomb.Dying()
		return nil
	})
	return w
}

// Kill implements worker.Worker.
func (w *idler) Kill() { w.tomb.Kill(nil) }

// Wait implements worker.Worker.
func (w *idler) Wait() error { return w.tomb.Wait() }
