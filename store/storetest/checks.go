package storetest

import "testing"

// check is one rule of the contract of store.Driver and how to see that it is kept.
type check struct {
	name  string
	rule  string
	alone bool // it disturbs the whole store, or would be disturbed
	try   func(k *trial)
}

func (c check) run(t testing.TB, h Harness) {
	t.Helper()
	k := newTrial(t, h)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("The rule: %s", c.rule)
		}
	})
	c.try(k)
}

// checks is the table of contents.
var checks = []check{
	// Sessions.
	{
		name: "limits: they are sane, constant and allow the harness's TTL", try: limitsAreSane,
		rule: "Limits are the service's, constant for the life of the driver; WorstFailover is never below the TTL itself.",
	},
	{
		name: "proof: is given at most once", try: proofAtMostOnce,
		rule: "Proof answers true at most once for each creation of the store, whoever asks.",
	},
	{
		name: "session: ends no earlier than its TTL and no later than its limits say", try: sessionEndsInTime,
		rule: "A session that isn't renewed ends, with its records, never before its TTL has passed since Grant, and within Limits.WorstFailover; watches have told so by then.",
	},
	{
		name: "session: renewal starts its TTL anew", try: renewalKeepsAlive,
		rule: "Each Renew starts the TTL anew; a session that is renewed in time never ends, and no earlier than a TTL after its latest renewal.",
	},
	{
		name: "session: once gone it stays gone", try: goneStaysGone,
		rule: "After a session has ended Renew says ErrSessionGone, nothing can be written in its name, it owns nothing, and revoking it is no error.",
	},
	{
		name: "session: Revoke deletes what it owns and nothing else, and may be repeated", try: revokeDeletesOwned,
		rule: "Revoke ends a session now and deletes what it owns; one that is gone already is no error. Afterwards the session is as gone as if it had expired.",
	},
	{
		name: "session: Owned lists exactly what it owns", try: ownedIsExact,
		rule: "Owned is a linearizable read of the records that the session owns.",
	},
	{
		name: "session: forgotten ones harm nobody", try: orphansAreHarmless,
		rule: "A session whose Grant was never heard of (its reply was lost) ends by itself and disturbs no other.",
	},
	{
		name: "session: an administrator can end it", try: expireLever,
		rule: "A session that is ended from outside takes its records along, watches tell so, and Renew says ErrSessionGone.",
	},
	{
		name: "session: a TTL that can't be kept is refused", try: badTTLs,
		rule: "Grant refuses a TTL of zero, a negative one, and those outside Limits with ErrInvalid.",
	},

	// Writes.
	{
		name: "write: Create needs an absent key", try: createNeedsAbsent,
		rule: "Create is refused with ErrConflict, and changes nothing, if the key exists; it gives the record the revision of its commit.",
	},
	{
		name: "write: Update needs the record's revision", try: updateNeedsRevision,
		rule: "Update is refused with ErrConflict, and changes nothing, unless the record exists and its ModRev is If; CreateRev stays.",
	},
	{
		name: "write: Delete needs the record's revision", try: deleteNeedsRevision,
		rule: "Delete is refused with ErrConflict, and changes nothing, unless the record exists and its ModRev is If.",
	},
	{
		name: "write: a key that is created again gets a new CreateRev", try: recreationIsNew,
		rule: "A key that is deleted and created again gets a new CreateRev, greater than any revision before, so an old condition never holds again.",
	},
	{
		name: "write: Update can change the owner", try: ownerChanges,
		rule: "The owner that Update names owns the record from now on: the end of an earlier owner doesn't touch it, the end of the new one deletes it.",
	},
	{
		name: "write: a gone owner is ErrSessionGone, not a conflict", try: goneOwnerIsRefused,
		rule: "Create and Update in the name of a session that doesn't exist say ErrSessionGone and change nothing; a conflict and a gone owner are never confused.",
	},
	{
		name: "write: each of a batch has its own outcome", try: batchOutcomes,
		rule: "Apply does independent writes: one that is refused doesn't touch the others, and outcomes stand in the order of the writes.",
	},
	{
		name: "write: a batch may be large", try: largeBatch,
		rule: "Apply takes more writes than a service may take in one request (etcd: 128 operations).",
	},
	{
		name: "write: nonsense is refused and nothing of it is done", try: nonsenseIsRefused,
		rule: "An empty key, an unknown kind of write, or the same key twice in a batch is ErrInvalid, and no write of the batch is done.",
	},
	{
		name: "write: any bytes are a value", try: anyValue,
		rule: "Values are bytes: binary, of length 0, or large.",
	},
	{
		name: "write: any name is a key", try: anyKey,
		rule: "Every segment that store.Escape makes, and long keys, can be keys; keys are told apart by their bytes, capitals included.",
	},
	{
		name: "write: of racing creates and updates one wins", try: racesHaveOneWinner,
		rule: "Conditions hold at the commit: of clients that race to create a key, or to update it from the same revision, exactly one wins.",
	},
	{
		name: "write: revisions are in the order of commits", try: revisionsFollowCommits,
		rule: "A write that began after another had returned has the greater revision; a List sees every write up to its Rev and none beyond.",
	},

	// Reads.
	{
		name: "list: is ordered by create revision, then key", try: listOrder,
		rule: "Records stand in the order of (CreateRev, Key), whatever was updated since.",
	},
	{
		name: "list: a prefix matches whole segments only", try: prefixRules,
		rule: "A prefix that ends in / (or is empty) means every key below it; any other means that one key: scout never matches scout-eu, nor do wildcards or capitals.",
	},
	{
		name: "list: sees what any client has written", try: listIsLinearizable,
		rule: "List is a linearizable read: it sees every write that had returned, through whichever client.",
	},
	{
		name: "list: its revision covers every commit and never runs back", try: snapshotRev,
		rule: "Snapshot.Rev is that of the newest commit in the store, whatever its key, deletions included; so it is at least every ModRev and never falls.",
	},
	{
		name: "list: reads many records", try: manyRecords,
		rule: "List and the snapshot of a watch are complete, also for many records.",
	},

	// Watches.
	{
		name: "watch: a snapshot first, then the deltas", try: snapshotThenDeltas,
		rule: "The first event is EventSnapshot with every record; then each put and delete is told, in the order of revisions.",
	},
	{
		name: "watch: of one key tells of no other", try: watchOneKey,
		rule: "A watch of a key without / at its end tells of this key only; one of an absent key begins with an empty snapshot and hears of its creation.",
	},
	{
		name: "watch: of a prefix tells of no other", try: watchOnePrefix,
		rule: "A watch of dir/ tells of what is below it only, in snapshot and deltas.",
	},
	{
		name: "watch: loses nothing between snapshot and deltas", try: watchUnderWriters,
		rule: "A watch subscribes before it reads: whatever is written while it begins is in the snapshot or comes as a delta; an event's Rev says up to where everything was told.",
	},
	{
		name: "watch: converges to what List says", try: watchConverges,
		rule: "Deltas may skip intermediate values, but when writers rest the watch and List agree on every record, revisions and owners included.",
	},
	{
		name: "watch: tells of revoked sessions", try: watchSeesRevoke,
		rule: "Records that go with their session are told as deletes.",
	},
	{
		name: "watch: a slow receiver delays nobody", try: slowReceiver,
		rule: "A receiver that takes its time delays neither writers nor other watches, and still converges; emit may use the driver.",
	},
	{
		name: "watch: ends with its context and tells nothing afterwards", try: watchEndsWithContext,
		rule: "Watch returns when its context is done, and emit isn't called after it has returned. A context that is done already is no exception.",
	},
	{
		name: "watch: one that doesn't change costs nothing beyond the poll", try: quietWatchIsFree,
		rule: "A watch of something that doesn't change makes no requests beyond the driver's poll, which all watches of one driver share.",
	},
	{
		name: "watch: survives a cut", try: watchSurvivesCut,
		rule: "While the service can't be reached the watch says EventStale, once; when it is back the watch goes on by itself and has missed nothing, or says EventReset.",
	},
	{
		name: "watch: survives a freeze", try: watchSurvivesFreeze,
		rule: "A watch that heard nothing for a while goes on by itself and converges.",
	},
	{
		name: "watch: one that begins during a cut has its snapshot first", try: watchBegunDuringCut,
		rule: "A watch that begins while the service can't be reached waits; its first event is still EventSnapshot.",
	},
	{
		name: "watch: survives a restart of the store", alone: true, try: watchSurvivesRestart,
		rule: "A restart with its data kept loses no record and ends no watch.",
	},
	{
		name: "watch: a wiped store is a reset", alone: true, try: wipeIsReset,
		rule: "When the store is wiped watches say EventReset and converge to what is there now; sessions of before are gone.",
	},

	// Close.
	{
		name: "close: ends calls and watches, keeps sessions, may be repeated", try: closeEndsEverything,
		rule: "Close ends all watches, does not revoke sessions, and closing twice is harmless; other clients go on.",
	},
	{
		name: "close: every call afterwards is ErrClosed", try: closedCalls,
		rule: "After Close every call says ErrClosed, which is of class refused.",
	},
	{
		name: "close: leaves no goroutine behind", alone: true, try: closeLeaksNothing,
		rule: "Close frees what the driver opened: no goroutine of it runs on.",
	},
}
