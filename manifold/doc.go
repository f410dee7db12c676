// Package manifold makes a dependency.Manifold of each capability, and turns leadership into
// something that other manifolds can depend on.
//
// # Vocabulary
//
// A manifold says how an engine starts a worker, from which inputs, and what it gives to its
// dependents (its output). A flag is a manifold whose worker says true or false; the value never
// changes for one worker. A gate is the flag that is true while this process leads an election.
// Guarded work is what may only run behind an open gate.
//
// # The pieces
//
//	Store ──▶ Claimer ──▶ Tracker ──▶ Gate ──▶ WhileLeader("gate", yours) ──▶ …
//
// Each of the first four takes a Config that names its input. A user's own manifold can take the
// place of any of them: what counts is what its Output gives, which Get fetches. RunWhileLeader is
// for work that is a function. RequireFlags and AfterReady put conditions on a manifold's start;
// StaticFlag and Value are manifolds of a constant.
//
// # Promises
//
//  1. A Config that can't work is refused before anything runs: engine.New (and engine.Check) has
//     its reason among all other faults of the set. Under another engine Start returns it.
//  2. An Output gives interfaces and values that aren't workers: stopping is the engine's. For a type
//     that it doesn't give, its error says which it does.
//  3. Errors keep their chain: dependency.ErrMissing for what isn't there yet, dependency.ErrBounce
//     for what begins anew. They are compared with errors.Is only, so it does no harm to trace or to
//     annotate them.
//  4. Lower, then stop guarded work, then release. Under the Muster engine all that depends on a Gate,
//     directly or through others, has ended before the Gate lets the claim go, and nothing of it runs
//     while another candidate leads, for as long as the claim can be renewed. Under juju's own engine
//     the same holds for each manifold that WhileLeader wraps.
//  5. Store, Claimer and Tracker end in the order in which they stand on each other, under any engine:
//     what is killed first goes on working for those that still need it, and so for guarded work.
//  6. No Kill, Check, Reason or Report of this package blocks; what WhileLeader wraps answers for
//     itself.
//
// # What it doesn't do
//
// It can't stop a worker that ignores Kill: the claim is kept for as long as it can be renewed, and
// what must not be done twice takes the fencing token along (Leadership.Claim).
package manifold
