// Package memstore is a store.Driver in memory, for tests and for programs of one process.
//
// A Service stands for the coordination service: it has the records, the sessions and the clock. A
// Driver, got from Service.Open, is one client's view of it; several drivers on one service are
// what several processes on one store would be. The service has levers that a test pulls where a
// real service would fail: Stop and Start, Restart, Expire, Wipe, Snapshot and Restore,
// Rewind.
//
// # Promises
//
// Calls never wait for anything but a short lock. Sessions end on the injected clock, exactly at
// their TTL after the latest renewal: every call looks first at what is due, and while anybody
// watches, one timer of the clock ends sessions at their time. Each record that a session's end
// deletes, and each write of a batch, takes a revision of its own.
//
// A watch runs on the goroutine of its caller; the package starts none, except that the clock runs
// its timer's function. A slow receiver never delays a writer: up to Backlog events wait for it,
// and then it gets EventReset instead of what it missed. So the package works inside a
// testing/synctest bubble with any clock that is made there, and on juju's testclock (on which it
// has at most one timer waiting for each service).
//
// It is neither persistent nor shared between processes.
package memstore
