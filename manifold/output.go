package manifold

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/juju/worker/v4"
	"github.com/juju/worker/v4/dependency"
)

// offer is one type that a manifold's Output gives.
type offer struct {
	kind string // the type that out must point to
	give func(out any) bool
	hide bool // not for users: left out of messages
}

// as offers value as a T.
func as[T any](value T) offer {
	return offer{kind: reflect.TypeFor[T]().String(), give: func(out any) bool {
		target, ok := out.(*T)
		if ok {
			*target = value
		}
		return ok
	}}
}

// hidden is as for what only this package's manifolds ask for.
func hidden[T any](value T) offer {
	o := as(value)
	o.hide = true
	return o
}

// output makes an OutputFunc for workers of type W. Whoever asks for something else than what is
// offered is told what there is.
func output[W worker.Worker](offers func(W) []offer) dependency.OutputFunc {
	return func(in worker.Worker, out any) error {
		w, ok := in.(W)
		if !ok {
			return fmt.Errorf("the worker is a %T, not a %s: this Output belongs to another manifold", in, reflect.TypeFor[W]())
		}
		var known []string
		for _, o := range offers(w) {
			if o.give(out) {
				return nil
			}
			if !o.hide {
				known = append(known, o.kind)
			}
		}
		return wrongOut(out, known...)
	}
}

// wrongOut is the error for an out that points to a type that isn't offered. It speaks of what out
// points to, which is what is given to Get.
func wrongOut(out any, known ...string) error {
	kind := reflect.TypeOf(out)
	if kind == nil || kind.Kind() != reflect.Pointer {
		return fmt.Errorf("out must be a pointer to a variable, not a %T; it gives %s", out, strings.Join(known, ", "))
	}
	return fmt.Errorf("it gives no %s; it gives %s", kind.Elem(), strings.Join(known, ", "))
}

// wrapper is a worker of this package around one of a user's manifold.
type wrapper interface{ unwrap() worker.Worker }

// unwrapped gives the innermost worker, which the user's own functions know.
func unwrapped(in worker.Worker) worker.Worker {
	for {
		w, ok := in.(wrapper)
		if !ok {
			return in
		}
		in = w.unwrap()
	}
}

// unwrapping makes a manifold's own Output work though its worker is wrapped in one of this package.
func unwrapping(inner dependency.OutputFunc) dependency.OutputFunc {
	if inner == nil {
		return nil
	}
	return func(in worker.Worker, out any) error { return inner(unwrapped(in), out) }
}
