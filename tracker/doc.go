// Package tracker keeps one process's stand in one election and says, at any moment and without
// blocking, whether that process leads.
//
// # Vocabulary
//
// A claim is the election's name held by a candidate for a time, granted by a claimer.Claimer. A
// term is one spell of leadership: it begins when a claim is granted and ends when the tracker is
// lowered. Lowering is the moment from which the tracker no longer guarantees leadership. A minion
// is a candidate that doesn't lead. Guarded work is what may only run while leading; a hold is one
// count of it. A ticket is the answer to a question, perhaps one that is still to come.
//
// # Promises
//
//  1. A claim is asked for 2×Duration and renewed every Duration. Its end is counted from the clock
//     reading taken before the request was sent, and the term is lowered Margin before it: by a
//     timer, and by comparing Now at each use, so after a suspend, a freeze or a late timer nothing
//     says true. A term that was lowered is never revived; a late reply never begins one.
//
//  2. Nothing waits for the Claimer on a path that lowers. A call that doesn't return is given
//     Duration/2 (Release: Duration), then its context is cancelled and it is abandoned. Up to four
//     abandoned Claims are replaced at once, later ones every 16×Duration, so that an outage of any
//     length ends in recovery and a Claimer that never returns costs little.
//
//  3. Any other error than a permanent one (claimer.ErrInvalid, ErrUnauthorized, ErrClosed) is
//     retried with jittered backoff, from Duration/20 to Duration/4, for ever. With lease left,
//     leadership goes on meanwhile. A permanent one lowers the tracker and ends it; Wait returns it.
//
//  4. Lower, then stop guarded work, then release, in this order, at Kill, at Resign, at a loss and
//     at a permanent error. While a hold of an ended term is out, the tracker doesn't claim the name
//     again; while it stops or resigns it goes on renewing the claim for those that hold it.
//
//  5. No method but those that take a context, and Wait, blocks. A ticket costs no goroutine, and
//     one that nobody keeps is collected. Kill resolves every ticket, before guarded work has ended.
//
//  6. The holder that stands is never used twice: it has an incarnation, random for each tracker, and
//     a new one once a Release was sent, which may yet arrive when the tracker leads again.
//
// A Claimer that also is a claimer.Keeper is watched: a lost claim lowers at once, a request to
// resign is obeyed, and guarded work keeps the claim alive at the Claimer itself.
//
// # What it doesn't do
//
// It can't stop work of a frozen process or a paused virtual machine: what must not be done twice
// takes the claim's fencing token along. It knows nothing of stores: it needs the three methods of
// claimer.Claimer and nothing more.
package tracker
