package mutants

// driverMutants are about single drivers: R6, R7, etcd, R8 and zk.
var driverMutants = []Mutant{
	{
		Rule: "R6", Name: "a revision is taken in a transaction of its own, before the one that writes",
		File: "store/sqlstore/write.go",
		Old:  "\tt.changed = true\n",
		New:  "\tt.changed = true\n\tif _, err := t.do(sqlCommit); err != nil {\n\t\treturn 0, err\n\t}\n\tif _, err := t.do(sqlBegin); err != nil {\n\t\treturn 0, err\n\t}\n",
		Test: "TestR6ARevisionIsTakenInTheTransactionThatWrites",
	},
	{
		Rule: "R6", Name: "a watch that fell behind the change log goes on with what is left of it",
		File: "store/sqlstore/poll.go",
		Old:  `if pruned > p.rev {`,
		New:  `if pruned > newest {`,
		Test: "TestAWatchThatFellBehindTheChangeLogReadsEverythingAnew",
	},
	{
		Rule: "R6", Name: "a commit in a file that isn't at its path any more counts",
		File: "store/sqlstore/write.go",
		Old:  `err = h.check() // a commit`,
		New:  `err = nil // a commit`,
		Test: "TestNobodyReportsSuccessInAFileThatIsNotAtItsPath",
	},
	{
		Rule: "R7", Name: "a session is ended whatever its renewal number is by then",
		File: "store/sqlstore/schema.go",
		Old:  `DELETE FROM sessions WHERE id = ? AND renewals = ?`,
		New:  `DELETE FROM sessions WHERE id = ? AND ? >= 0`,
		Test: "TestASessionIsEndedOnlyAtTheRenewalNumberThatWasSeen",
	},
	{
		Rule: "R7", Name: "an observer counts from when it first saw a session, renewed or not",
		File: "store/sqlstore/observer.go",
		Old:  `if before, ok := p.seen[id]; ok && before.renewals == s.renewals {`,
		New:  `if before, ok := p.seen[id]; ok {`,
		Test: "TestAnObserverThatWasFrozenEndsNobodyWhoWasRenewed",
	},
	{
		Rule: "R7", Name: "an observer counts from before the read that showed the renewal number",
		File: "store/sqlstore/observer.go",
		Old:  "\tnow := p.d.cfg.Clock.Now()\n\tp.nextDue = time.Time{}",
		New:  "\tnow := p.good\n\tp.nextDue = time.Time{}",
		Test: "TestAnObserverCountsTheTTLFromTheReadThatShowedTheRenewalNumber",
	},
	{
		Rule: "R7", Name: "an observer allows for no drift of its clock",
		File: "store/sqlstore/poll.go",
		Old:  `expiryFactor = 1.01`,
		New:  `expiryFactor = 1.0`,
		Test: "TestAnObserverCountsTheTTLFromTheReadThatShowedTheRenewalNumber",
	},
	{
		Rule: "R7", Name: "any write keeps every session alive",
		File: "store/sqlstore/observer.go",
		Old:  "\t\t\ts.since = before.since\n",
		New:  "\t\t\t_ = before\n",
		Test: "TestOtherWritesDoNotKeepASessionAlive",
	},
	{
		Rule: "etcd", Name: "a watch is asked for at the present revision, on the server's slow path",
		File: "store/etcdstore/watch.go",
		Old:  `snapshot.Rev+1)`,
		New:  `snapshot.Rev)`,
		Test: "TestAWatchBeginsAtTheRevisionAfterItsRead",
	},
	{
		Rule: "etcd", Name: "a watch that was compacted away waits for ever",
		File: "store/etcdstore/stream.go",
		Old:  "\t\terr = rpctypes.ErrCompacted\n",
		New:  "\t\treturn\n",
		Test: "TestAWatchThatIsCompactedAwayReadsAnew",
	},
	{
		Rule: "etcd", Name: "what a lease owns may be told by a leader that was deposed",
		File: "store/etcdstore/lease.go",
		Old:  `if err != nil || same {`,
		New:  `if err != nil || same || records != nil {`,
		Test: "TestWhatALeaseOwnsIsReadUnderOneLeader",
	},
	{
		Rule: "etcd", Name: "a request goes to a member that has no leader",
		File: "store/etcdstore/call.go",
		Old:  `within, cancel := context.WithCancel(clientv3.WithRequireLeader(c.mark(ctx)))`,
		New:  "_ = clientv3.WithRequireLeader\n\twithin, cancel := context.WithCancel(c.mark(ctx))",
		Test: "TestEveryRequestRequiresALeader",
	},
	{
		Rule: "etcd", Name: "renewals and watches go to a member that has no leader",
		File: "store/etcdstore/pipe.go",
		Old:  `ctx, p.cancel = context.WithCancel(p.call.mark(clientv3.WithRequireLeader(d.ctx)))`,
		New:  "_ = clientv3.WithRequireLeader\n\tctx, p.cancel = context.WithCancel(p.call.mark(d.ctx))",
		Test: "TestEveryRequestRequiresALeader",
	},
	{
		Rule: "etcd", Name: "a write whose outcome is unknown is sent again",
		File: "store/etcdstore/call.go",
		Old:  "code == codes.DeadlineExceeded {\n\t\t\tcancel()\n\t\t}",
		New:  "code == codes.DeadlineExceeded {\n\t\t\t_ = cancel\n\t\t}",
		Test: "TestAWriteIsSentOnceWhateverItsErrorIs",
	},
	{
		Rule: "etcd", Name: "an answer to a renewal is taken for that of whoever waited longest",
		File: "store/etcdstore/renew.go",
		Old:  `if r.lease == a.ID {`,
		New:  `if r.lease != 0 {`,
		Test: "TestAnAnswerToARenewalIsForTheSessionThatItNames",
	},
	{
		Rule: "R8", Name: "a session is renewed by a read, which a follower without a leader answers",
		File: "store/zkstore/session.go",
		Old:  `func(z *zk.Conn) (*zk.Stat, error) { return z.Set(s.marker, nil, -1) })`,
		New:  `func(z *zk.Conn) (*zk.Stat, error) { _, stat, err := z.Get(s.marker); return stat, err })`,
		Test: "TestR8AFollowerThatIsCutOffFromItsLeaderRenewsNothing",
	},
	{
		Rule: "R8", Name: "a renewal counts as soon as a follower has answered it",
		File: "store/zkstore/session.go",
		Old:  `if s.sure >= begun-s.d.slack(s.ttl) {`,
		New:  `if s.sure >= begun-s.d.slack(s.ttl) || sent >= begun {`,
		Test: "TestR8ARenewalCountsOnlyOnceAnEarlierOneIsKnownToTheLeader",
	},
	{
		Rule: "R8", Name: "the client library's pings keep a session alive",
		File: "store/zkstore/wire.go",
		Old: `if w.silent {
			return len(b), nil
		}`,
		New:  `_ = w.silent`,
		Test: "TestASessionThatNobodyRenewsEndsThoughItsProcessLives",
	},
	{
		Rule: "zk", Name: "a condition is on a node's version alone, which begins anew with the node",
		File: "store/zkstore/write.go",
		Old:  `guard := &zk.CheckVersionRequest{Path: d.guardOf(w.Key), Version: now.guard}`,
		New:  `guard := &zk.CheckVersionRequest{Path: d.guardOf(w.Key), Version: -1}`,
		Test: "TestAConditionNeverHoldsForARecordThatWasMadeAgain",
	},
	{
		Rule: "zk", Name: "a write in a session's name doesn't ask for its marker",
		File: "store/zkstore/write.go",
		Old: `ops = append(ops, &zk.CheckVersionRequest{Path: d.markerOf(w.Session), Version: -1})
	}
	for range tries {`,
		New: `_ = ops
	}
	for range tries {`,
		Test: "TestNothingIsWrittenInTheNameOfASessionThatWasRevokedElsewhere",
	},
}
