// Package consulstore keeps a store in the KV of Consul, 1.7 or newer.
//
// # URL
//
// Open takes consul://127.0.0.1:8500/prefix: one agent of Consul, best the machine's own, which finds
// the servers. The port 8500 may be left out. Every key begins with the prefix and a "/"; without a
// prefix, with nothing. Parameters, each at most once:
//
//	dc=NAME             the datacenter whose KV it is, if that isn't the agent's (see Sessions)
//	token_file=FILE     the ACL token; it is read again for each request: to change it, change the file
//	token=TOKEN         the same in the URL: left out of all messages, but other programs of the machine
//	                    may see it, in the list of processes. Without either, CONSUL_HTTP_TOKEN_FILE
//	                    or CONSUL_HTTP_TOKEN says it
//	node=NAME           the node that sessions belong to, if that isn't the agent's
//	min_ttl=10s         session_ttl_min of Consul's servers, if it isn't 10 s. It needn't be said if the
//	                    agent has it in its own configuration too and lets the token read that (agent:read)
//	tls=true            speak TLS, and trust whom the system trusts
//	ca=FILE             trust these certificates instead, as they are when the store is opened
//	                    (any of the files, or servername, means tls=true)
//	cert=FILE key=FILE  the client's certificate, read again at each connection
//	servername=NAME     the name in the agent's certificate, if it isn't the host's
//	fresh=true          for every driver: see store.Config
//
// Without TLS the network sees the token. Where Consul has ACLs the token needs these rules:
//
//	key_prefix "prefix/"    { policy = "write" }
//	session_prefix "NODE"   { policy = "write" }
//
// # Vocabulary
//
// A session is Consul's. A record is a key of the KV, whose owner holds its lock. A revision is an index
// of Consul's Raft log. The newest commit is that of the whole KV, other programs' included.
//
// # Sessions
//
//   - A session has the behaviour delete, and no health checks: with those that Consul adds by itself it
//     would end as soon as the agent is taken for dead.
//   - Consul ends a session when it wasn't renewed for twice its TTL, never earlier. A new leader of
//     Consul's lets each live for twice its TTL from its election. store.Limits says so, with 12 s for
//     one such election at Consul's usual raft_multiplier.
//   - Consul's servers grant no session with a TTL below their session_ttl_min, which is 10 s.
//   - Each session belongs to a node of the catalog, and ends at once when that is deregistered. An
//     agent that leaves in an orderly way (consul leave) is: this is as if an administrator had ended
//     the sessions of all processes that use it, and for them the guarantee that the loser hears first
//     doesn't hold. Stop them before, or have the parameter node name one that stays.
//   - A key of an ended session can't be locked again for 1 ms (its lock-delay); writes wait for that.
//
// # Promises
//
//   - Lists, and what Owned gives, are consistent reads. A list makes two requests: the first finds out
//     the index of the newest commit. Owned reads everything below the prefix.
//   - A batch is done in transactions of up to 64 operations, two or three a write. What Consul refuses is
//     taken out, and the others are done in the next. Nothing is sent twice unless Consul surely did
//     nothing: an answer that was lost is an error of unknown outcome.
//   - A write that changes the owner of an owned record takes three requests, any other one.
//   - Watches are blocking queries, each on a connection of its own: one for each prefix for the first 8
//     prefixes of a driver, then one for all of them below one first segment of the key (a thousand
//     elections are one). An agent allows 200 connections for all processes of a machine together
//     (http_max_conns_per_client): raise that where several processes with many elections use it, as
//     each has up to a hundred for a moment when it starts. A query is asked again every 5 minutes,
//     and a driver that watches asks every 5 s whether Consul is still there.
//   - After each change a query gives all records again. What a watch tells are the differences: it may
//     skip intermediate values, and tells several deletes with the index of the last one. While there
//     are changes, large prefixes are asked about less often: 1,000 records ten times a second, 10,000
//     four times, with about 3 MiB each time.
//   - After each break of its connection, and when indexes ran backwards, a watch tells
//     store.EventReset. A connection that is dead is given up within 15 s; a Consul that doesn't answer,
//     within 8 s.
//   - A snapshot that is restored (consul snapshot restore) ends all queries, so that every process that
//     watches looks at once whether the newest commit has become an older one; and what it then finds
//     changed is told as store.EventReset. One that is cut off in that moment can tell that there was a
//     restore only until later commits have made up for those that were lost.
//   - Close ends all calls and watches. Calls that were under way say store.ErrClosed only if nothing
//     had been sent.
//
// # What it won't do
//
// It creates no ACL rules, tokens or nodes, uses no namespaces or partitions of Consul Enterprise, and
// reads no other of Consul's environment variables than those named above. It speaks to one agent:
// where that is down, the process is without a store.
package consulstore
