package enginetest

import (
	"fmt"
	"reflect"

	"github.com/juju/worker/v4/dependency"
)

var _ dependency.Getter = Inputs(nil)

// Inputs is a dependency.Getter for calling a manifold's Start without an engine:
//
//	w, err := m.Start(t.Context(), enginetest.Inputs{"store": store, "metrics": dependency.ErrMissing})
//
// By the name of each input it has what the input gives: a value, Outputs if it gives values of
// several types, or an error, which Get returns. An input that it doesn't have isn't running: Get
// says dependency.ErrMissing, as an engine does. So it does of a nil, which stands for an input that
// is up and gives nothing.
type Inputs map[string]any

// Outputs are the values of one input: Get takes the first that fits.
type Outputs []any

// Get implements dependency.Getter: out is nil, to ask whether the input is up, or a pointer to what
// the value is assigned to.
func (in Inputs) Get(name string, out any) error {
	value, ok := in[name]
	if !ok {
		return fmt.Errorf("%q not running: %w", name, dependency.ErrMissing)
	}
	if err, failed := value.(error); failed {
		return err
	}
	if out == nil {
		return nil
	}
	target := reflect.ValueOf(out)
	if target.Kind() != reflect.Pointer || target.IsNil() {
		return fmt.Errorf("input %q: Get wants a pointer to assign to, not a %T: pass &v", name, out)
	}
	outputs, several := value.(Outputs)
	if !several {
		outputs = Outputs{value}
	}
	var types []string
	for _, output := range outputs {
		if output == nil {
			continue
		}
		v := reflect.ValueOf(output)
		if v.Type().AssignableTo(target.Type().Elem()) {
			target.Elem().Set(v)
			return nil
		}
		types = append(types, v.Type().String())
	}
	if types == nil {
		return fmt.Errorf("%q not exposed: %w", name, dependency.ErrMissing)
	}
	return fmt.Errorf("input %q is a %s, which can't be assigned to a %s", name, join(types), target.Type().Elem())
}

// join writes alternatives.
func join(types []string) string {
	text := types[0]
	for _, more := range types[1:] {
		text += " or a " + more
	}
	return text
}
