// Package mysql keeps a store in MariaDB, 10.5 or newer, or MySQL, 8 or newer. It is tested with MariaDB
// 10.11; for MySQL it keeps to what both do alike, but it hasn't been run on one.
//
// # URL
//
// Open takes mysql://user:password@h1:3306,h2:3306/database, and the same with mariadb:. The port 3306 may
// be left out. Of several hosts, which are to be one primary and its replicas, the first is used that
// isn't read-only. The database must be there; the tables, whose names begin with "muster_", are made if
// they are missing. For that the user needs CREATE and INDEX on the database; else
//
//	GRANT SELECT, INSERT, UPDATE, DELETE ON database.* TO user
//
// is enough, and somebody else runs what sqlstore.Schema gives. Parameters, each at most once:
//
//	prefix=NAME_        begin the tables' names with this, in place of "muster_"
//	no_ddl=true         only check the tables, and never make them
//	socket=PATH         connect to a socket of this machine, in place of a host: mysql://user@/database?socket=…
//	tls=true            speak TLS, and trust whom the system trusts
//	cacert=FILE         trust these certificates instead, as they are when the store is opened
//	                    (any of the files, or servername, means tls=true)
//	cert=FILE key=FILE  the client's certificate, read again at each connection
//	servername=NAME     the name in the servers' certificates, if it isn't the host's
//	password-file=FILE  the password of the user, read again at each connection; a newline at its end
//	                    doesn't count
//	fresh=true          for every driver: see store.Config
//
// A password in the URL works, and is left out of all messages; other programs of the machine may see it,
// in the list of processes. For a handle that a program has already, see sqlstore.New.
//
// # Promises
//
//   - Revisions are dense and in the order of commits: whoever writes records first locks the one row
//     of the table meta, until the commit. A write decides by what is there once it has the lock, however
//     the handle's transactions are isolated.
//   - A write, of any number of records up to 3 MiB, is one message and one transaction, which the server
//     does to its end by itself: a client that dies, freezes or is cut off in its midst holds no lock.
//     (MariaDB gets a compound statement, MySQL several statements.) A renewal is one statement on one
//     row, and waits for no lock of meta.
//   - Nothing is sent twice. An error after which surely nothing was done is of class store.ErrRefused, a
//     deadlock and a lock that wasn't had within the server's innodb_lock_wait_timeout among them. An
//     answer that was lost, a killed statement and a server that stops leave the outcome unknown.
//   - No clock of the server and no wall clock matters: a session ends only by Revoke, or by a delete that
//     is conditional on its renewal number, by an open driver that knew that number for TTL × 1.01, from
//     one and the same run of the server. After a restart of the server, all sessions live for a whole
//     TTL more.
//   - Watches poll: one small query each 100 ms for all watches of a driver, and no other requests while
//     nothing changes. A driver's own writes make it look at once.
//   - Close ends all calls and watches and waits for no server. Every request ends with its context; its
//     connection is given up then.
//   - After a wipe, a restore, or a switch to a replica that lacks the latest commits, watches tell
//     store.EventReset, and the store begins a new era: every commit has a random mark by which such a
//     history is told from the one that was known, even if it has as many revisions.
//
// # What the server must be
//
// A primary of its own. Refused are servers that are read-only, now or later, nodes of a Galera cluster
// and groups with several primaries (at one node a read may miss what another has committed), and servers
// with innodb_flush_log_at_trx_commit = 0 (a crash takes back what was done), with a binary log of
// statements (binlog_format = STATEMENT: what they do depends on read_only, which differs on a replica), with
// max_allowed_packet below 4 MiB, or whose connections begin without autocommit or with READ UNCOMMITTED.
// With innodb_flush_log_at_trx_commit = 2, or a binary log without sync_binlog = 1, a crash of the
// server's machine can take back the latest commits: two may lead until both have read the era again.
// Open logs a warning, for an administrator to set both to 1. The same holds for a switch to a replica
// that replicates asynchronously; after it, wait for a TTL before the replica is let in, or use
// semi-synchronous replication. A replica must be set to read_only.
//
// Nothing may stand between that answers reads elsewhere: a proxy that sends them to replicas, or caches.
// One that gives each transaction another connection (ProxySQL) is fine: nothing is prepared, and what a
// message leaves in its session means nothing to the next.
package mysql
