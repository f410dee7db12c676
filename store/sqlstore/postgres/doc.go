// Package postgres keeps a store in a PostgreSQL database, version 12 or newer.
//
// # URL
//
// Open takes postgres://user:password@h1:5432,h2:5432/database (or postgresql://…). Of several hosts
// the one that writes is used. Parameters, each at most once:
//
//	prefix=muster_      begins the tables' names: small letters, digits and "_", up to 24
//	schema=NAME         the schema of the tables, instead of the first in the user's search_path
//	no_ddl=true         the tables are checked, and never made: "agent store schema" prints the
//	                    statements, and the user needs SELECT, INSERT, UPDATE and DELETE on them
//	fresh=true          for every driver: see store.Config
//
// and the client's, as libpq knows them: sslmode (default: prefer), sslrootcert, sslcert, sslkey,
// sslnegotiation, connect_timeout (default: 3 s a host), application_name, passfile (default:
// ~/.pgpass) and the like. A password in the URL is left out of all messages; other programs of the
// machine may see it, in the list of processes. sslmode=verify-full is the only one that can't be
// deceived.
//
// # What the server must be
//
// One that writes: standbys, and servers that were set to read only, are refused; one that becomes so
// is left for another of the hosts. synchronous_commit must not be off, or a crash takes back renewals
// that were acknowledged; fsync must be on, which only a warning says. A process keeps 3 to 9
// connections: see max_connections. A transaction that somebody leaves open for hours, anywhere in the
// database, keeps the server from clearing away old versions of rows, of which a store makes many.
//
// A standby that takes over without the latest commits takes them back, and the next ones take their
// revisions. Watches notice that by a random mark of each commit, and read anew; what was seen of
// renewals on the other server doesn't count. But a record that was lost while its owner's session was
// kept isn't missed at once: where commits may be lost, somebody else may lead before the owner's next
// look at the era. Set synchronous_standby_names, so that no acknowledged commit is.
//
// # Poolers
//
// A pooler that gives each transaction another connection will do (PgBouncer's pool_mode=transaction):
// nothing is prepared, set, locked or listened to in a connection. Through one no notices come, and
// nothing that was given up is cancelled, because PgBouncer 1.18 may crash of it. The parameters that
// PgBouncer gets with a connection are those that it knows.
//
// # Promises
//
//   - Revisions are dense, and in the order of commits: who writes holds the lock of one row until its
//     commit. A batch of writes has one revision. Each write, the end of a session too, is one message
//     to the server, which does it to the end by itself: a client that dies, is frozen or cut off in
//     the middle holds no lock.
//   - A renewal is one statement, on connections that writes don't use, and waits for no writer. It is
//     as durable as any commit before it is acknowledged.
//   - No clock of the server and no wall clock matters. A session ends only by Revoke, or by a delete
//     that is conditional on its renewal number and on the server's life, done by an observer that has
//     known this very number for TTL × 1.01 on its own clock; every open driver is one.
//   - A driver asks for changes every 100 ms, in one request for all its watches. Where its notices come
//     (LISTEN and NOTIFY, on a connection of their own), a change is told within milliseconds, and at
//     rest it asks every 400 ms. It reads the renewal numbers of all sessions every twentieth of the
//     shortest TTL, at most every 100 ms and at least every 400 ms.
//   - A call ends with its context, whatever the server, the network or the client library does. A
//     connection on which nothing came for 300 ms until the call was given up is closed, and those
//     that nobody uses with it.
//   - What somebody dropped is made anew, unless no_ddl=true: a new store, which watches tell with
//     store.EventReset.
//   - Close ends all calls and watches with store.ErrClosed and closes the connections. Calls that were
//     under way say store.ErrClosed only if nothing had been sent.
//
// # What it won't do
//
// It creates no users and no databases, and doesn't speak to CockroachDB, YugabyteDB and the like, whose
// locks and snapshots are others. It is meant for up to some hundred processes: each of them reads
// the renewal numbers of all.
package postgres
