package engine

import "strings"

// optionalMark ends an entry of Manifold.Inputs that is optional.
const optionalMark = "?"

// Optional marks an entry of a manifold's Inputs as one that it can do without:
//
//	Inputs: []string{"store", engine.Optional("metrics")}
//
// Start may be called while that input isn't up; Get, which knows it by its plain name, says
// dependency.ErrMissing then. When it comes up or stops, the worker is stopped and started again.
// The input must exist all the same, and can't be part of a cycle: see Check.
//
// The mark is a trailing "?", which no manifold's name may have. Marking twice does nothing more.
func Optional(input string) string {
	return strings.TrimSuffix(input, optionalMark) + optionalMark
}

// splitInputs gives the names that a manifold's Inputs mean, in their order, and which of them are
// optional (nil: none).
func splitInputs(inputs []string) (names []string, optional map[string]bool) {
	names = make([]string, len(inputs))
	for i, input := range inputs {
		name, marked := strings.CutSuffix(input, optionalMark)
		names[i] = name
		if marked {
			if optional == nil {
				optional = map[string]bool{}
			}
			optional[name] = true
		}
	}
	return names, optional
}
