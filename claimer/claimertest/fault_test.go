package claimertest_test

// fault is one way to get a Claimer wrong.
type fault int

const (
	none fault = iota

	acceptsAnyName
	acceptsEmptyHolder
	acceptsEmptyName
	acceptsZeroDuration
	admitsEarly
	admitsTwo
	collidesPrefixes
	deniesPlainly
	deniesWithoutDetails
	doesNotExtend
	dropsTwice
	earlyDeadline
	foldsCase
	forgetsRelease
	hidesContextError
	hidesHolder
	holdsAnything
	holdsNotRenewed
	ignoresContext
	ignoresLingering
	keepsToken
	keepsTokenAtExpiry
	lateDeadline
	leaksWaiters
	leavesGhosts
	losesAttributes
	losesLate
	misnamesHolder
	neverExpires
	neverLoses
	neverRecovers
	neverWakes
	newTokenAtExtension
	nilAtContextEnd
	queuesTheCancelled
	queuesTheRefused
	refusesLongUnclearly
	refusesNamesUnclearly
	releaseIgnoresHolds
	releasesAnything
	releasesAnyToken
	releasesForProcesses
	releasesForRivals
	releasesLazily
	releasesTwice
	resetsTokens
	sharesAttributes
	sharesHolders
	shortensClaims
	sleepsThroughExpiry
	stillDeadline
	trustsHolders
	unscopedRelease
	waitsForTheDead
	wakesAtOnce
	zeroToken
)
