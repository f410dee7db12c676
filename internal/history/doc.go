// Package history checks what processes that were killed, frozen and cut off saw: that their claims
// and their fenced writes fit one order of events. It holds tests only.
//
// # Vocabulary
//
// A worker is a process, the test's own binary, that stands for an election with a tracker on a
// claimer.Queue, and as the leader writes to a register: one value with its fence, behind sqlfence
// or etcdfence. A journal is the file in which a worker notes each operation before it begins and
// after it has returned, on the clock that all processes of a machine share. A history is what the
// journals of all workers tell; an operation whose return wasn't noted may have taken effect at any
// time, or never.
//
// # What is checked
//
// Porcupine looks for an order of the operations, each at one moment between its call and its
// return, that a model allows:
//
//   - The lock: a claim's token is greater than all before (a holder that wasn't sure of its claim for
//     a while may find that it still has it, with its token); who asks whether it leads hears yes only
//     while its own claim is the latest; and what a ticket guaranteed is so to the end of its Duration.
//   - The fenced register: a write is accepted if its token isn't below the fence, and refused if it
//     is; a read gives the latest accepted value with its fence.
//
// A history that no order explains is drawn, and left in a folder that the test names, with the
// journals.
//
// # More of it
//
// MUSTER_TRIES says how often each test makes a history (default: once), MUSTER_SEED which random
// moments are chosen: the test prints it. Real processes don't repeat exactly, but nearly so.
//
//	MUSTER_TRIES=20 go test -timeout 1h ./internal/history
package history
