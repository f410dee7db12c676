package manifold

import (
	"fmt"
	"reflect"

	"github.com/juju/worker/v4/dependency"
)

// Get gives what the input of that name offers as a T, for use in a manifold's Start:
//
//	st, err := manifold.Get[*store.Store](getter, "store")
//
// errors.Is finds dependency.ErrMissing in the error if the input isn't declared, isn't up or has
// nothing of the kind now: return that error from Start, and the engine calls it again when the
// input has changed. Any other error means that the input never gives a T.
func Get[T any](getter dependency.Getter, name string) (T, error) {
	var out, none T
	if err := getter.Get(name, &out); err != nil {
		return none, fmt.Errorf("input %q as %s: %w", name, reflect.TypeFor[T](), err)
	}
	if isNil(reflect.ValueOf(&out).Elem()) {
		return none, fmt.Errorf("input %q as %s: its Output set nothing: mend that manifold's Output", name, reflect.TypeFor[T]())
	}
	return out, nil
}

func isNil(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Chan, reflect.Func, reflect.Interface, reflect.Map, reflect.Pointer, reflect.Slice:
		return v.IsNil()
	}
	return false
}
