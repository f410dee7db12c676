// Package etcdutil elects leaders through etcd with the names, and the keys, of the package of that name
// in github.com/mailgun/holster: a program changes its import, and its candidates stand beside
// those of programs that haven't yet. It works on package store and its driver for etcd, which decide
// when leadership is over.
//
// # Vocabulary
//
// A candidate stands in an election by a key, /elections/<name>/<lease in hexadecimal digits>, that
// belongs to a lease of its own and whose value is its data. The candidate whose key was created first
// leads; the others follow. A session is a lease that is kept alive, and replaced when it's lost.
//
// # Promises
//
//   - A leader that can't reach etcd leads no more, and its observer hears so, before etcd can let
//     another lead: within the TTL, counted from before the last renewal that was answered left, on a
//     clock that counts suspends. No request that hangs, connection that is frozen or answer that
//     comes late changes that. IsLeader compares the clock at each call.
//   - An outage that is shorter than the TTL is no event. After any outage, of any length, the
//     candidate stands again, by a new lease. What it had before is revoked until it's known gone.
//   - Leadership is given up in this order: IsLeader says no; the observer hears so, and returns
//     (after two seconds it isn't waited for); then etcd hears of it.
//   - Events come in order, one at a time, and none after Close has returned (should the observer
//     not return: none begins). They are:
//     {IsLeader, LeaderKey, LeaderData}, with its own key and data, to who leads from now on;
//     {LeaderKey, LeaderData} to who follows another than before;
//     {}, all blank, to who led and doesn't any more;
//     {Err} for what can't succeed as things are: a bad config, a server that refuses the client. It
//     comes once, until something has succeeded; the candidate tries on.
//     {}, and then {IsDone}, on Close.
//   - NewElection and NewElectionAsync make all or nothing. What a constructor that failed began is
//     ended when it returns. (A lease that etcd was asked for, and whose answer was lost, has no key
//     and ends by itself.)
//   - Close is bounded, as is Concede, whatever etcd does, and may be called twice.
//
// # What differs
//
// NewConfig leaves the caller's config as it is, lets what is set there win over the environment
// (DialTimeout too), takes "false" for an answer, and refuses files in which there is no certificate;
// it looks at no files but those that the environment names. A name of an election may not be empty,
// nor leave /elections by a "..". Configs have two fields more, Clock and Logger, which may be left
// blank. Servers older than 3.4.31 and 3.5.13 are refused: see package etcdstore.
//
// # What it won't do
//
// Candidates of the original know nothing of a store's era: after etcd was restored from a backup, a
// process that saw it before waits (see R5 in package store), but one that began later doesn't, and
// may lead beside a leader that hasn't heard yet, for as long as that one's TTL. Nor are there fencing
// tokens here. Each election, and each session, costs a lease, its renewals and two streams. Where
// that matters, use package tracker, which has all of it.
//
// The client is the caller's: how soon a connection that is open and dead is noticed, and how soon
// another is tried, is up to its DialKeepAliveTime, DialKeepAliveTimeout and grpc.WithConnectParams,
// which NewConfig sets; by default it may take a quarter of an hour and two minutes. (That leadership
// is over is told in time without them.) A user that etcd knows needs readwrite on
// /elections/<name>/.
package etcdutil
