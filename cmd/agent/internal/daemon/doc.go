// Package daemon is `agent serve`: it stands for elections, runs a command for each that has one
// while it leads, and tells over HTTP, to systemd and on stderr how that goes.
//
// # The graph
//
// All of it runs as manifolds in one engine. For the election web with a TTL of 15 s:
//
//	store ──▶ claimer(15s) ──▶ tracker(web) ──▶ gate(web) ──▶ command(web)
//	                  └────────────┴──▶ news(web)                  http
//
// Elections of one TTL share a claimer, and so a session. news(web) watches the election and says
// what becomes of it; http has no inputs, so that it answers while everything else fails. What speaks
// to systemd runs beside the engine, since it has to speak until the engine has ended.
//
// # Promises
//
//  1. A command runs under its guardian exactly as that of `agent run` does: it is dead before
//     another agent can lead. It is run again when it ends, while leading, and gets MUSTER_ELECTION,
//     MUSTER_TOKEN and MUSTER_NODE. Its output is the daemon's own, as it is; its input is empty.
//  2. At the end, and when an election is taken out of the configuration, the command is stopped
//     before the leadership is given up.
//  3. A store that can't be reached is tried again for ever. What can never work (a TTL below the
//     store's shortest, credentials) ends a daemon that hasn't been ready yet.
//  4. A new configuration is taken over whole or not at all. Only what changed is stopped: another
//     command doesn't cost the leadership.
package daemon
