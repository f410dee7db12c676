// Package zkstore keeps a store in ZooKeeper, 3.5.5 or newer; the servers may be found by Exhibitor.
//
// # URL
//
// Open takes zk://user@h1:2181,h2:2181/root. The port 2181 may be left out, and a host may be an IPv6
// address, as in [::1]:2181. Everything stands below the node /root, which is made if it is missing;
// the root may have several parts, or none. Connections are spread over the hosts at random.
//
// OpenExhibitor takes exhibitor://user@h1:8080,h2:8080/root. It asks an Exhibitor at these hosts (port
// 8080 if none is named) at /exhibitor/v1/cluster/list for ZooKeeper's servers, again from time to time,
// and uses the latest list while none answers.
//
// Parameters, each at most once:
//
//	password-file=FILE  the password of the user; a newline at its end doesn't count
//	readable=true       others than the user may read what the user makes
//	poll=30s            how often Exhibitor is asked (exhibitor:// only)
//	fresh=true          for every driver: see store.Config
//
// With a user, digest authentication is used, and only that user may read and change what the driver
// makes. Without one everybody may. A password in the URL (user:password@) works too, and is left out
// of all messages; other programs of the machine may see it, in the list of processes. The network sees
// either, for ZooKeeper's client in Go speaks no TLS here.
//
// # Vocabulary
//
// A session is a session of ZooKeeper's with a connection of its own, named by its number in hexadecimal;
// its marker is an ephemeral node below /root/sessions. A record is a node, ephemeral where a session
// owns it. Revisions are zxids: a record's create revision is its node's creation zxid. A link is the
// one connection for reads, watches and all other writes.
//
// # Promises
//
//   - A session is renewed by a write (R8), which a majority of the servers acknowledges: a follower
//     that is cut off from its leader goes on answering reads and pings, and they keep nothing alive.
//     The client library's pings are held back. A connection that breaks is made again only when a
//     renewal or a write wants it; so a session of which nobody wants anything ends.
//   - A follower tells its leader at every half tick which sessions it heard of; the latest is lost with
//     a follower that dies. So ZooKeeper's timeout of a session is 1.25 TTL and a tick, and a renewal
//     counts only if an earlier one, which the leader surely knows of, is no further back than the
//     difference. That holds if minSessionTimeout is at least two ticks, as it is by default, and in
//     store.Limits, which are learnt from a server when the store is opened, a tick is taken to be half
//     of it. On a server of ZooKeeper's defaults (a tick of 2 s) TTLs are between 1.6 s and 30.4 s, and
//     the next leader comes at most 1.25 TTL and 6.5 s after a crash; tick faster for less. The lag has
//     room for the election of a leader of ZooKeeper's; a new one lets each session live for a whole
//     timeout.
//   - A session without its marker is gone: what is written in its name is written only if the marker is
//     there. So Revoke works whether or not the session's connection does; it deletes the marker, closes
//     the session and deletes what it owned. A session that ended is never followed by another on its
//     connection.
//   - Only the driver that was granted a session can renew it, and write records that it comes to own;
//     any other gets store.ErrInvalid. Any can update a record that it owns already, and revoke it.
//   - Conditions hold at the commit, also where a record was deleted and made again since it was read:
//     ZooKeeper's own conditions can't tell; a guard does that each create sets.
//   - An update that changes the owner deletes a node and makes another, in one transaction; the record
//     keeps its create revision, which the new node remembers.
//   - The writes of a batch are on their way at once, each by itself and with a revision of its own.
//     Nothing is sent twice: an answer that was lost is an error of unknown outcome.
//   - Lists, and what Owned gives, are linearizable, and of one revision: they read twice and write once,
//     since ZooKeeper's reads, and its sync too, may be answered by who was deposed. Where others write
//     all the time a list follows the changes by watches.
//   - Watches are set by the read that they follow, one a node, and tell nothing at rest. When the link
//     breaks, which is noticed within 4 s where it is silent, a watch reads anew and tells
//     store.EventReset: what answers by then may be a wiped or restored server. Such a server refuses
//     whoever has seen later revisions; so a link is never connected again, but replaced.
//   - Folders hold their records in up to 32 buckets, which are containers: ZooKeeper deletes them some
//     time after they became empty.
//   - Close ends all calls and watches, and waits for no server. Calls that were under way say
//     store.ErrClosed only if nothing had been sent.
//
// # What the operator sees to
//
// Each process has one connection a store, and one more a TTL: maxClientCnxns, 60 by default, is how many
// one address may have. All servers need the same maxSessionTimeout (20 ticks by default): a session whose
// connection comes to one that would keep it for less is given up. Values have up to 960 KiB; a greater
// jute.maxbuffer changes nothing. Who deletes nodes below the root by hand should not: what lacks is made
// anew, and records are lost.
//
// # What it won't do
//
// It knows no TLS and no SASL, uses no server that is read-only, and doesn't change an ACL that is there.
package zkstore
