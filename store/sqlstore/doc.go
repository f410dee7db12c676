// Package sqlstore keeps a store in an SQL database: in SQLite, one file, shared by all processes of
// one machine; or, by New, on a database server that a handle of the caller's reaches. Packages
// postgres and mysql open such servers by their URLs, and say what they must be; the rest of this page
// is about SQLite.
//
// # Vocabulary
//
// The change log is the table of the newest commits that watches read. The renewal number of a
// session counts its renewals. An observer is an open driver that watches renewal numbers; every
// open driver is one. A driver is present while it is open: it holds presence locks that every
// other process can see.
//
// # Promises
//
//   - Revisions are dense and in the order of commits: each write takes the next one inside its own
//     transaction. Every commit is on the disk (WAL, synchronous=FULL) before it is reported.
//   - No clock of the database and no wall clock matters. Reads never filter on expiry. A session
//     ends only by Revoke, or by a delete that is conditional on its renewal number, done by an
//     observer that has known this very number for TTL × 1.01 on its own clock, counted from after
//     the read that first showed it. An observer that was frozen, or couldn't read, finds either a
//     greater number, and its delete does nothing, or a session that truly wasn't renewed.
//   - What is reported as done was done in the file that stands at the path: after each commit, and
//     after each read that others decide on, the path is compared with the opened file. If the file
//     was moved away, deleted or replaced (or the -wal or -shm file beside it was), the call fails,
//     for a write with an unknown outcome, and the driver goes on with what stands at the path,
//     which is a new database if nothing does. Watches get EventReset.
//   - Watches and expiry of all kinds share one poll of the file's change counter per driver. A
//     store that doesn't change is asked for nothing else. Where the kernel tells of changes to the
//     files, on the default clock, a change makes the driver look at once, and at rest it looks
//     only every 400 ms; elsewhere every Poll, and events reach a watch within two polls and the
//     time of a read.
//   - Calls wait for their turn to write, until their context ends and at most 15 s, and then fail
//     with store.ErrUnreachable: nothing was written. SQLite has no queue; who has waited longer
//     tries more often, and who has just written gives way.
//   - Close ends all calls and watches with store.ErrClosed, waits for the calls in flight, and
//     leaves the -wal and -shm files to the last process that closes.
//
// # What it won't do
//
// It refuses network file systems (NFS, SMB, AFS, Ceph, 9P and the like), whose locks and shared
// memory SQLite can't rely on; one that is mounted through FUSE (sshfs) can't be told from a local
// one, so don't. It refuses databases of other programs, which it leaves untouched.
//
// Restore a backup by moving it to the path, never by writing into the file that stands there: no
// program can notice the latter in time.
//
// # Proof
//
// See presence for how the creator of a database knows that no living process has an older one.
package sqlstore
