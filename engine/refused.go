package engine

import "strings"

// refusedMark begins and ends an entry of Manifold.Inputs that Refused made; no name looks like it.
const refusedMark = "\x00"

// Refused makes an entry of a manifold's Inputs that has Check, and so New and Install, refuse the
// manifold with this reason:
//
//	return dependency.Manifold{Inputs: []string{engine.Refused(err)}, Start: …}
//
// With it a function that makes a manifold from a bad configuration can say so among all the other
// faults of the set, before anything runs, though it has no error of its own to return.
func Refused(reason error) string {
	return refusedMark + reason.Error() + refusedMark
}

// refusal gives the reason of an entry that Refused made.
func refusal(input string) (reason string, ok bool) {
	reason, ok = strings.CutPrefix(input, refusedMark)
	if !ok {
		return "", false
	}
	return strings.CutSuffix(reason, refusedMark)
}
