package claimertest_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/claimer/claimertest"
	"github.com/muster-go/muster/internal/bootclock"
)

// mutants are Claimers with one fault each, and the check (the beginning of its name) that must
// catch it, by saying something with these words.
var mutants = []struct {
	name   string
	fault  fault
	caught string
	says   string
}{
	{"tokens begin at 0", zeroToken, "a free name is granted", "token is 0"},
	{"claims are shorter than d", shortensClaims, "a claim lasts at least d", "only"},
	{"a silent holder keeps its claim for ever", neverExpires, "a claim lasts at least d", "still not free"},
	{"asking again extends nothing", doesNotExtend, "asking again extends", "must extend"},
	{"asking again changes the token", newTokenAtExtension, "asking again extends", "changed its token"},
	{"attributes are lost", losesAttributes, "attributes travel", "has the attributes"},
	{"attributes are the caller's map", sharesAttributes, "attributes travel", "changed later"},
	{"a d that is too long gets an unclear error", refusesLongUnclearly, "a d that is too long", "too long"},

	{"denies with a plain error", deniesPlainly, "a second candidate is denied", "never told"},
	{"denies with an error that is no DeniedError", deniesWithoutDetails, "a second candidate is denied", "no *claimer.DeniedError"},
	{"denials name the wrong holder", misnamesHolder, "a second candidate is denied", "is told that"},
	{"the holder's incarnation is ignored", sharesHolders, "candidates that differ in the incarnation alone", "is a rival"},
	{"the Holder alone makes the holder", trustsHolders, "the very same candidate from another process", "is a rival"},

	{"tokens begin anew after a release", resetsTokens, "tokens rise at every change", "must be greater"},
	{"a holder that comes back keeps its token", keepsToken, "tokens rise at every change", "must be greater"},
	{"tokens stay when a claim ran out", keepsTokenAtExpiry, "tokens rise when a claim has run out", "must be greater"},

	{"Release waits for the claim to run out", releasesLazily, "Release frees the name at once", "at once"},
	{"a waiter is never woken", neverWakes, "Release frees the name at once", "must wake it"},
	{"Release of what was never held returns nil", releasesAnything, "Release of a claim that was never held", "returned nil"},
	{"Release frees the name whoever asks", unscopedRelease, "Release of another's claim", "returned nil"},
	{"Release asks for the token only", releasesForRivals, "Release of another's claim", "by a rival"},
	{"Release ends another process's claim", releasesForProcesses, "Release of another's claim", "by another process"},
	{"Release twice returns nil", releasesTwice, "Release twice", "released already"},
	{"Release of an older claim ends the newer", releasesAnyToken, "Release of an earlier claim", "an earlier claim"},
	{"Release of a claim that ran out ends the next holder's", unscopedRelease, "Release of a claim that ran out", "ran out"},

	{"WaitReleased returns at once", wakesAtOnce, "WaitReleased blocks", "must block"},
	{"a waiter sleeps through the end of a claim", sleepsThroughExpiry, "WaitReleased returns nil when the holder fell silent", "fell silent took"},
	{"a dead holder keeps its claim for ever", neverExpires, "after the holder's process died", "was not granted"},
	{"a dead waiter blocks the queue", waitsForTheDead, "a waiter whose process died", "was not granted"},
	{"WaitReleased ignores its context", ignoresContext, "WaitReleased ends with its context's error", "did not return"},
	{"WaitReleased hides its context's error", hidesContextError, "WaitReleased ends with its context's error", "interrupted"},
	{"WaitReleased returns nil when its context ends", nilAtContextEnd, "WaitReleased ends with its context's error", "<nil>"},
	{"WaitReleased leaks a goroutine", leaksWaiters, "WaitReleased leaks nothing", "they leak"},
	{"a cancelled waiter blocks the queue", queuesTheCancelled, "a waiter whose context was cancelled", "was not granted"},
	{"a cancelled Claim leaves a ghost", leavesGhosts, "a Claim with a context that has ended", "was not granted"},

	{"a name's claim hides the names that begin like it", collidesPrefixes, "names don't interfere", "is held"},
	{"scout-eu hides scout", collidesPrefixes, "a holder of scout-eu", "scout"},
	{"names that differ in case are one", foldsCase, "names don't interfere", "is held"},
	{"any name is accepted", acceptsAnyName, "a name that can't be one", "is ErrInvalid"},
	{"the empty name is accepted", acceptsEmptyName, "a name that can't be one", "is ErrInvalid"},
	{"a bad name gets a plain error", refusesNamesUnclearly, "a name that can't be one", "is ErrInvalid"},
	{"an empty holder is accepted", acceptsEmptyHolder, "an empty holder", "is ErrInvalid"},
	{"a d of 0 is accepted", acceptsZeroDuration, "a d that isn't above 0", "is ErrInvalid"},
	{"a refused candidate keeps a place in the queue", queuesTheRefused, "an empty holder", "leave nothing behind"},

	{"two are let in when many wait", admitsTwo, "16 candidates", "at once"},

	{"a held claim is not renewed", holdsNotRenewed, "a Keeper's held claim stays", "was granted"},
	{"Deadline stands still", stillDeadline, "a Keeper's held claim stays", "must move on"},
	{"Deadline is before what Claim promised", earlyDeadline, "a Keeper's Deadline", "before the moment"},
	{"Hold takes any claim", holdsAnything, "a Keeper refuses a hold", "is ErrNotHeld"},
	{"Release does not wait for holds", releaseIgnoresHolds, "a Keeper's Release waits", "hold is out"},
	{"Release that gave up waiting ends a held claim", forgetsRelease, "a Keeper's Release that waits", "was granted"},
	{"dropping a hold twice drops another", dropsTwice, "dropping one hold twice", "was granted"},

	{"Lost closes after another was granted", losesLate, "a holder that is cut off hears", "was not closed yet"},
	{"Lost never closes", neverLoses, "a holder that is frozen hears", "still open"},
	{"another is granted before the Deadline", admitsEarly, "a holder that is cut off hears", "before the Deadline"},
	{"Deadline goes on after the loss", lateDeadline, "a holder that is cut off hears", "Deadline"},
	{"a process may claim again beside its own guarded work", ignoresLingering, "a process gets no new claim", "still runs"},
	{"a view never recovers from an outage", neverRecovers, "after an outage for everybody", "has had no turn"},
	{"a view never recovers from its own outage", neverRecovers, "a holder that is cut off is never granted", "turns within"},
}

func TestTheKitCatchesEachMutant(t *testing.T) {
	for _, m := range mutants {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := record(t, find(t, m.caught), harness(t, bootclock.Clock, 8*time.Second, m.fault))
				require.True(t, r.Failed(), "not caught; the check said: %s", r.text())
				require.Contains(t, r.text(), m.says)
			})
		})
	}
}

// find gives the one check whose name begins so.
func find(t testing.TB, begins string) claimertest.Check {
	var found []claimertest.Check
	for _, check := range claimertest.Checks() {
		if strings.HasPrefix(check.Name, begins) {
			found = append(found, check)
		}
	}
	require.Len(t, found, 1, "checks whose names begin with %q", begins)
	return found[0]
}
