package claimertest

import "slices"

// Checks gives all checks, for harnesses that run each in a bubble, or a service, of its own.
func Checks() []Check {
	return slices.Concat(grants, denials, tokens, releases, waits, cancellations, names, refusals, contention, holds, outages)
}
