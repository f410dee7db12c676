// Package server is the store.Driver over a database server: PostgreSQL, MariaDB or MySQL. It knows
// database/sql and each server's SQL, and no client library.
//
// # Vocabulary
//
// A dialect is what differs between servers. A handle is a *sql.DB. A revision is the number in the
// one row of the table meta; the change log holds the newest commits. A commit's mark is a random
// number by which two histories with the same revisions are told apart. The life of a server ends when
// it is restarted, or another takes its place. A generation is a number, local to a driver, of the
// history that it follows: it grows when the store turns out to be another one.
//
// # How it is kept
//
// R6. Whoever writes records first locks the row of meta, and keeps it locked until the commit: the
// order of revisions is the order of commits, and there are no gaps. Who waits for the lock decides
// by what is there after the wait: each statement of a dialect says how.
//
// R7. Nothing compares a time of the server's. A session ends by Revoke, or by a delete that is
// conditional on its renewal number, by an observer (every open driver is one) that has known this
// very number, from the same life of the server, for TTL × 1.01 on its own clock, counted from after
// the read that first showed it.
//
// One query a poll serves all watches; another one, for the renewal numbers, all sessions. Every
// request runs in a goroutine of its own and is left behind when its time is over: a client library
// may ignore its contexts.
package server
