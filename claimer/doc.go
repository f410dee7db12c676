// Package claimer grants exclusive, time-limited, fenced claims by name.
//
// # Vocabulary
//
// A candidate stands in an election, under the election's name, and says who he is: the holder. A
// claim is the name held by one candidate, with a fencing token. A hold is one count of guarded
// work on a claim.
//
// # Promises
//
// Claimer is the contract: three methods, enough for a user's own backend to drive a tracker. Queue
// implements it, and Keeper, on every store. For a Queue:
//
//   - Order (R9). Candidates queue in the order in which their records were committed. A candidate
//     leads only by a linearizable read that shows its own record, as it was created, as the first.
//     Each of the others watches the one before it only.
//   - Time (R10). The TTL is what users set, and what failover is about:
//     store.Limits.WorstFailover. A claim is for at most 0.8 TTL and is extended from the session's
//     present deadline, normally without a request.
//   - End (R11). A candidacy lives while somebody claims or waits, and at most the duration of its
//     latest claim longer. A claim that nobody extends ends irrevocably before its record is deleted.
//     Claiming again takes a new record, after the old one is known gone. Nobody deletes another's
//     record: to resign another is to ask it (AskResign).
//   - Holds (R12). A held claim goes on being renewed even if nobody extends it; its record is
//     deleted, and its session revoked, only after the last hold is gone; until then this process
//     does not stand for the name again.
//   - Identity (R13). Two candidates are the same one only within one Queue and with equal Holder;
//     a tracker makes its own unique ("box-1#…"), so no two ever extend each other.
//   - Tokens rise strictly at every change of holder, in a wiped or restored store too as long as
//     one process that has seen the greater ones survives and reaches the store.
//
// Holder, Candidates, Elections, Watch and Check read without joining.
//
// # What it won't do
//
// It does not renew a claim by itself when nothing holds it, and starts no guarded work: that is a
// tracker's.
package claimer
