// Package etcdstore keeps a store in etcd, 3.4.31, 3.5.13 or newer.
//
// # URL
//
// Open takes etcd://user@h1:2379,h2:2379/prefix. The port 2379 may be left out, and a host may be an
// IPv6 address, as in [::1]:2379. Every key begins with the prefix and a "/"; without a prefix, with
// nothing. An etcd that has its own users needs a role with readwrite on that prefix:
//
//	etcdctl role grant-permission muster readwrite --prefix prefix/
//
// Parameters, each at most once:
//
//	tls=true            speak TLS, and trust whom the system trusts
//	cacert=FILE         trust these certificates instead, as they are when the store is opened
//	                    (any of the files, or servername, means tls=true)
//	cert=FILE key=FILE  the client's certificate, read again at each connection
//	servername=NAME     the name in the servers' certificates, if it isn't the host's
//	password-file=FILE  the password of the user; a newline at its end doesn't count. It is read again
//	                    whenever etcd wants it: to change it, change the file first, and then etcd
//	fresh=true          for every driver: see store.Config
//
// A password in the URL (user:password@) works too, and is left out of all messages; other programs
// of the machine may see it, in the list of processes. Without TLS the network sees either.
//
// # Vocabulary
//
// A session is a lease, by the name that etcdctl gives it. A record is a key. Revisions are etcd's.
//
// # Promises
//
//   - A session's TTL is in whole seconds, and at least 2 s. A cluster with a longer election timeout
//     has a longer shortest lease; Grant then refuses what is shorter, and says how long it must be.
//     A lease ends at most a second after its TTL while etcd has a leader. A new leader lets each
//     lease live for a whole TTL from its election: store.Limits has room for one that falls
//     together with a crash, and for an election timeout of 1 s, etcd's usual one; but etcd may
//     change its leader again and again.
//   - What a renewal promises holds over a change of etcd's leader. One that was cut off renews leases
//     until it notices, for up to two election timeouts; the next, which comes after one at the
//     earliest, lets each lease live for one more than its TTL.
//   - Lists, and what Owned gives, are linearizable. A long list is read in pages at one revision.
//   - A batch is done in requests of up to 127 writes, each with its own condition. Writes of one
//     request have one revision. Nothing is sent twice: an answer that was lost is an error of
//     unknown outcome.
//   - All watches share one stream, and all renewals another one. A watch that doesn't change asks
//     for nothing. After each break of its stream, after a compaction, when revisions ran backwards,
//     or when its receiver is 10,000 changes or 32 MiB behind, a watch reads anew and tells
//     store.EventReset: the server that answers may be an emptied or restored one, and no number
//     tells that for sure.
//   - A connection that is open and dead is broken with the first request on it that is given up
//     after half a second or more during which nothing was heard on it; renewals see to it that this
//     is soon, as they are given up within a third of a TTL. A process without a session notices it
//     within 13 s. (This holds for clients that Open made.)
//   - Servers that can revoke leases which are alive (etcd issue 15247) are refused with
//     store.ErrInvalid: by Open as far as its hosts answer, else by the first Grant.
//   - Close ends all calls and watches. Calls that were under way say store.ErrClosed only if nothing
//     had been sent.
//
// # What it won't do
//
// It creates no users and gives no permissions, compacts nothing, and doesn't look for more members
// than the URL names: name all. It takes no part in etcd's namespaces, HTTP proxies or learners. It
// must reach the members themselves, or through what passes on bytes: etcd's gRPC proxy answers
// renewals that it remembers, and deadlines can't stand on that.
//
// etcd itself can't be trusted in one case: a leader that was frozen for longer than its election
// timeout may, in the moment in which it wakes, answer a renewal although another leads already. The
// next renewal mends that. A holder that is cut off from etcd in that very moment, and whose TTL is
// more than four election timeouts, may believe for up to half a TTL too long: a fencing token tells.
package etcdstore
