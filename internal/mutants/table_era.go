package mutants

// eraMutants are about stores that were wiped or restored: R5.
var eraMutants = []Mutant{
	{
		Rule: "R5", Name: "the end of an era costs no lease",
		File: "store/root.go",
		Old:  `if lease != nil && lease.era != era {`,
		New:  `if lease != nil && lease.era == "" {`,
		Test: "TestR5AWipeEndsEveryLeaseAtOnceAndNobodyLeadsUntilTheEraIsOfAge",
	},
	{
		Rule: "R5", Name: "somebody leads in a young era",
		File: "store/decide.go",
		Old:  `if !now.Settled || strange {`,
		New:  `if !now.Settled && strange && false {`,
		Test: "TestR5AWipeEndsEveryLeaseAtOnceAndNobodyLeadsUntilTheEraIsOfAge",
	},
	{
		Rule: "R5", Name: "another settled store in the place of this one is trusted at once",
		File: "store/root.go",
		Old:  `r.strange = old != ""`,
		New:  `r.strange = false`,
		Test: "TestR5AnotherSettledStoreInPlaceOfThisOneIsYoungToWhoKnewThisOne",
	},
	{
		Rule: "R5", Name: "an era comes of age by this process's TTL, whatever others use",
		File: "store/decide.go",
		Old:  `longest := max(now.TTL, r.longest)`,
		New:  `longest := l.session.ttl`,
		Test: "TestR5TheLongestTTLOfAnybodyCounts",
	},
	{
		Rule: "R5", Name: "revisions that run backwards are ignored",
		File: "store/root.go",
		Old:  `case now.Era == seen.known.Era && rev < seen.rev:`,
		New:  `case now.Era == seen.known.Era && rev < seen.rev && false:`,
		Test: "TestR5AnOlderSnapshotIsNoticedAndTokensGoOnRising",
	},
	{
		Rule: "R5", Name: "a reset of the era's watch is taken for nothing new",
		File: "store/root.go",
		Old:  "case EventSnapshot, EventReset:\n\t\tif e.Rev < rev && e.Kind == EventSnapshot {",
		New:  "case EventReset:\n\t\treturn\n\tcase EventSnapshot:\n\t\tif e.Rev < rev {",
		Test: "TestR5AWipeEndsEveryLeaseAtOnceAndNobodyLeadsUntilTheEraIsOfAge",
	},
	{
		Rule: "R5", Name: "the proof that a store is new is ignored",
		File: "store/root.go",
		Old:  `r.proof, r.proofAt = want.Settled, asked`,
		New:  `r.proof, r.proofAt, want.Settled = false, asked, false`,
		Test: "TestR5InAProvenStoreTheFirstLeadsAtOnce",
	},
	{
		Rule: "R5", Name: "every store without an era counts as proven",
		File: "store/root.go",
		Old:  `if want.Settled = r.s.cfg.Fresh || proven; !want.Settled {`,
		New:  `if want.Settled = true; !want.Settled {`,
		Test: "TestR5AYoungEraIsCountedFromWhenItWasFirstSeen",
	},
	{
		Rule: "R5", Name: "who creates a SQLite file has the proof, whoever else is there",
		File: "store/sqlstore/handle.go",
		Old:  `if prove && present.alone() {`,
		New:  `if prove {`,
		Test: "TestNoProofWhileAnybodyLivesWhateverWasDeleted",
	},
	{
		Rule: "R5", Name: "a token ignores the floor, so it begins anew after a wipe",
		File: "claimer/claim.go",
		Old:  `return floor + own.CreateRev, nil`,
		New:  `return own.CreateRev, nil`,
		Test: "TestAWipeUnderAHolderLowersItAtOnceAndNobodyLeadsBeforeItsDeadline",
	},
	{
		Rule: "R5", Name: "a witness of greater tokens doesn't raise the floor",
		File: "store/root.go",
		Old:  `case now.Floor+rev < seen.highest:`,
		New:  `case now.Floor+rev < seen.highest && false:`,
		Test: "TestR5AWitnessThatComesLateBeginsANewEra",
	},
	{
		Rule: "R5", Name: "a record that reappears under a live key is adopted",
		File: "store/records.go",
		Old:  `!live || created != 0 && created != r.CreateRev {`,
		New:  `!live || created == 1 && r.CreateRev == 0 {`,
		Test: "TestR5ARecordThatReappearsIsDeletedNotAdopted",
	},
}
