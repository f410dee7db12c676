// Package fence has what the fencing helpers have in common: the errors by which they refuse.
//
// # Vocabulary
//
// A token is a claim's fencing token (claimer.Claim): strictly greater at every change of holder. A
// fence is the greatest token that a protected resource has seen. A token is stale once the fence
// stands above it.
//
// # Promises
//
// No clock protects a resource from the work of a process that was frozen, or whose virtual machine
// was paused, as it held a claim: the process goes on with what it had in hand, for a moment, as if
// no time had passed. So the resource itself must refuse what carries a stale token. A helper for
// each kind of resource does that, in one step with the write itself:
//
//   - sqlfence: rows of an SQL database, each with its fence in a column
//   - etcdfence: keys in etcd, with the fence in a key of its own
//   - httpfence: a service's HTTP handlers; the fence stands in a file, or where the service likes
//
// A token that isn't below the fence is let through and becomes the fence; a smaller one is refused
// with *StaleError, and nothing has happened. All tokens of one fence must be of one election.
//
// # What it won't do
//
// A fence knows only what it has seen: until the new holder's first write an old holder's is let
// through. So a new holder that reads before it writes raises the fence before it reads. And tokens
// rise over a wipe or a restore of the store only if somebody survives who has seen the greater
// ones: then an operator raises the store's floor.
package fence
