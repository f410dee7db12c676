package engine

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/juju/errors"
	"github.com/juju/worker/v4/dependency"

	"github.com/muster-go/muster/internal/nearest"
)

// Check finds everything that is wrong with a set of manifolds, without running any of it: a nil
// Start, a name that is empty or ends with the mark of Optional, an input that is empty, named twice,
// the manifold itself or no manifold of the set, inputs that form a cycle, and what Refused says.
// Optional inputs count like the others.
//
// It returns nil or a *CheckError, which has the same faults in the same order at every call. Where
// cycles are knotted it names so many that each other one shares an input with one of them.
func Check(manifolds dependency.Manifolds) error {
	c := check{names: slices.Sorted(maps.Keys(manifolds)), inputs: make(map[string][]string, len(manifolds))}
	for _, name := range c.names {
		c.manifold(name, manifolds)
	}
	c.cycles()
	if c.faults == nil {
		return nil
	}
	return &CheckError{Faults: c.faults}
}

// CheckError says why a set of manifolds is refused. It is NotValid to github.com/juju/errors.
type CheckError struct {
	Faults []Fault // of each manifold by its name's order, then the cycles; never empty
}

// Error gives a line for each fault.
func (e *CheckError) Error() string {
	lines := make([]string, len(e.Faults))
	for i, fault := range e.Faults {
		lines[i] = fault.String()
	}
	return strings.Join(lines, "\n")
}

// Is makes errors.Is find errors.NotValid of github.com/juju/errors.
func (e *CheckError) Is(target error) bool { return target == errors.NotValid }

// Fault is one thing that is wrong with a set of manifolds.
type Fault struct {
	Manifold string // whose it is; of a cycle, the smallest name
	Reason   string // what is wrong, and the mend
}

// String gives the fault in one line.
func (f Fault) String() string { return fmt.Sprintf("manifold %q: %s", f.Manifold, f.Reason) }

// check is one call of Check.
type check struct {
	names  []string            // of the manifolds, ordered
	inputs map[string][]string // the sound ones: ordered, and each a manifold other than its own
	faults []Fault
}

func (c *check) fault(manifold, format string, args ...any) {
	c.faults = append(c.faults, Fault{Manifold: manifold, Reason: fmt.Sprintf(format, args...)})
}

// manifold checks one manifold by itself, and keeps its sound inputs.
func (c *check) manifold(name string, manifolds dependency.Manifolds) {
	m := manifolds[name]
	switch {
	case name == "":
		c.fault(name, "its name is empty: give it one")
	case strings.HasSuffix(name, optionalMark):
		c.fault(name, "its name ends with %q, which marks an optional input: name it otherwise", optionalMark)
	}
	if m.Start == nil {
		c.fault(name, "its Start is nil: nothing could ever run; set it, or leave the manifold out")
	}
	inputs, _ := splitInputs(m.Inputs)
	sound := make([]string, 0, len(inputs))
	for i, input := range inputs {
		if reason, ok := refusal(input); ok {
			c.fault(name, "%s", reason)
			continue
		}
		_, known := manifolds[input]
		switch before := count(inputs[:i], input); {
		case before == 1:
			c.fault(name, "its input %q is named twice: name it once", input)
		case before > 1: // it was said
		case input == "":
			c.fault(name, "an input is empty: name it, or take it out")
		case input == name:
			c.fault(name, "it is an input of its own: take it out")
		case !known:
			c.fault(name, "its input %q doesn't exist: %s", input, c.hint(name, input))
		default:
			sound = append(sound, input)
		}
	}
	slices.Sort(sound)
	c.inputs[name] = sound
}

// count says how often name is among names.
func count(names []string, name string) int {
	n := 0
	for _, other := range names {
		if other == name {
			n++
		}
	}
	return n
}

// hint is the mend of an input that doesn't exist.
func (c *check) hint(name, input string) string {
	others := slices.DeleteFunc(slices.Clone(c.names), func(other string) bool { return other == name })
	if near := nearest.Name(input, others); near != "" {
		return fmt.Sprintf("did you mean %q?", near)
	}
	return "add a manifold of that name, or take the input out"
}

// cycles finds, for each name in order, the shortest cycle through it, until none is left when the
// inputs of those that were found are taken out. So the name that a cycle was found for is always
// its smallest: a smaller one would have been served before.
func (c *check) cycles() {
	left := c.knotted()
	for _, name := range c.names {
		for left[name] != nil {
			path := shortestCycle(name, left)
			if path == nil {
				break
			}
			for i, from := range path[:len(path)-1] {
				left[from] = slices.DeleteFunc(left[from], func(input string) bool { return input == path[i+1] })
			}
			c.fault(name, "its inputs form a cycle: %s: take one of them out", arrows(path))
		}
	}
}

// knotted gives the inputs of those manifolds that may be part of a cycle, and nothing if there is
// none: it takes away what has no inputs left, again and again.
func (c *check) knotted() map[string][]string {
	dependents := make(map[string][]string, len(c.names))
	missing := make(map[string]int, len(c.names))
	var free []string
	for _, name := range c.names {
		missing[name] = len(c.inputs[name])
		if missing[name] == 0 {
			free = append(free, name)
		}
		for _, input := range c.inputs[name] {
			dependents[input] = append(dependents[input], name)
		}
	}
	for len(free) > 0 {
		name := free[len(free)-1]
		free = free[:len(free)-1]
		delete(missing, name)
		for _, dependent := range dependents[name] {
			if missing[dependent]--; missing[dependent] == 0 {
				free = append(free, dependent)
			}
		}
	}
	left := make(map[string][]string, len(missing))
	for name := range missing {
		left[name] = slices.Clone(c.inputs[name])
	}
	return left
}

// arrows writes a path in one line: names that could spoil it are quoted.
func arrows(path []string) string {
	names := make([]string, len(path))
	for i, name := range path {
		names[i] = name
		if quoted := strconv.Quote(name); len(quoted) != len(name)+2 || name == "" {
			names[i] = quoted
		}
	}
	return strings.Join(names, " → ")
}

// shortestCycle gives a shortest path from name over inputs to name, or nil: of several the one
// whose names come first.
func shortestCycle(name string, inputs map[string][]string) []string {
	via := map[string]string{} // by which dependent a manifold was reached
	for next := []string{name}; len(next) > 0; next = next[1:] {
		for _, input := range inputs[next[0]] {
			if input == name {
				path := []string{name}
				for at := next[0]; at != name; at = via[at] {
					path = append(path, at)
				}
				path = append(path, name)
				slices.Reverse(path)
				return path
			}
			if _, reached := via[input]; !reached {
				via[input] = next[0]
				next = append(next, input)
			}
		}
	}
	return nil
}
