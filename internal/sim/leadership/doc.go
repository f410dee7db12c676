// Package leadership simulates elections on package sim: trackers and direct users of a queue, on
// processes that are paused, killed, shut down and cut off, over a store that is stopped, restarted,
// wiped, restored and rewound. It holds tests only.
//
// # What is checked, after everything that happens
//
//  1. At most one holder of an election has a guarantee in force: a tracker that says that it leads,
//     a true ticket for its Duration, the deadline that Leadership told, guarded work whose context
//     hasn't ended or whose hold reaches on, a claim for its duration. Each on its own process's
//     clock, paused processes included.
//  2. Tokens rise at every change of holder, while one process that saw the highest lives.
//  3. Once the faults have ended every election gets a leader within a bound, and everything can be
//     shut down.
//
// What is not promised is not checked: a process that has never seen the store newer than the state
// it is restored to can't tell that it was restored under a living holder. It may lead beside one
// that hasn't heard yet, for 1.5 of that one's TTL. After an outage of more than the
// TTL it has nobody beside it, but its tokens may begin anew.
package leadership
