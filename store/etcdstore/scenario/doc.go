// Package scenario holds tests only: the whole stack, from a tracker's guarded work down to a real
// etcd, through what befalls real services. It is a package of its own so that few test binaries
// link etcd's server.
//
// A stand is one process's stack, with connections of its own, so that it can be cut off alone. A
// ledger notes each spell of guarded work; in the end no two spells of one election may overlap,
// and tokens must rise.
//
// MUSTER_TRIES says how often the tests of what must never happen try (default: a few), and
// MUSTER_SEED which random moments they choose (default: others each time; a failing test logs its
// seed).
package scenario
