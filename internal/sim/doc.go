// Package sim is a deterministic simulation of a fleet: processes with clocks of their own, a network
// that delays, loses and repeats, and one memory store that is stopped, restarted, wiped and
// restored. One seed is one course of events. The package knows nothing of leadership: a scenario
// (package leadership is one) starts its actors on the processes, disturbs them, and gives checks.
//
// # How it runs
//
// A World has one queue of things that will happen: timers of its clocks, requests that arrive at
// the store, answers and events that arrive at a process. Step takes the first one, moves true time
// on to it, does it, and waits until all goroutines have come to rest (Config.Settle, which is
// synctest.Wait); then every check is called. So nothing ever happens between two checks but one
// timer, one request or one delivery and what follows from it at that instant.
//
// True time is the World's and begins at 0; the bubble's clock isn't used. A process's clock runs at
// a rate of its own against it, from a start of its own. While a process is paused none of its timers
// fires and nothing is delivered to it, though its clock goes on; at Resume everything that is due
// happens at once, in random order. A process that is killed sends nothing any more; what it had sent
// still arrives.
//
// # Chance
//
// Each thing that is random draws from a stream of its own, made of the seed and a name (who asks,
// which operation on which key), so that a draw in one place never shifts another. Two timers of one
// clock for one instant are late by the same random time, as they would be in one process.
//
// # What is not deterministic
//
// While goroutines come to rest after one event several of one process can run at once: which of two
// ready cases a select takes, in which order a context ends its children, and who draws first from the
// process's source of jitter, is the runtime's choice. Nothing else is. With GOMAXPROCS at 1 and
// without the race detector, whose scheduler draws, that leaves few courses that differ: of 300 on
// elections none did before the end, when all processes shut down together, and 7 % in it. The log's
// hash tells.
package sim
