package claimertest_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/claimer"
	"github.com/muster-go/muster/claimer/claimertest"
	"github.com/muster-go/muster/internal/bootclock"
)

// methods hides that a Claimer is more than its three methods.
type methods struct{ claimer.Claimer }

func TestThreeMethodsAndNoLeversAreEnough(t *testing.T) {
	skipped := 0
	for _, check := range claimertest.Checks() {
		synctest.Test(t, func(t *testing.T) {
			h := harness(t, bootclock.Clock, 8*time.Second, none)
			open := h.Open
			h.Open = func(t testing.TB) claimer.Claimer { return methods{open(t)} }
			h.Cut, h.Freeze, h.Heal, h.Kill = nil, nil, nil, nil
			r := record(t, check, h)
			require.False(t, r.Failed(), "%s: %s", check.Name, r.text())
			if r.skipped {
				skipped++
				require.Regexp(t, "is no claimer.Keeper|the Harness has no", r.text(), "a check is skipped aloud")
			}
		})
	}
	assert.Equal(t, 15, skipped, "checks that need levers or a Keeper")
}

func TestThreeMethodsWithLeversAreChecked(t *testing.T) {
	for _, begins := range []string{"a holder that is cut off is never granted", "after everybody was frozen", "after the holder's process died"} {
		synctest.Test(t, func(t *testing.T) {
			h := harness(t, bootclock.Clock, 8*time.Second, none)
			open := h.Open
			h.Open = func(t testing.TB) claimer.Claimer { return methods{open(t)} }
			bare := func(pull func(claimer.Claimer)) func(claimer.Claimer) {
				return func(c claimer.Claimer) { pull(c.(methods).Claimer) }
			}
			h.Cut, h.Freeze, h.Heal, h.Kill = bare(h.Cut), bare(h.Freeze), bare(h.Heal), bare(h.Kill)
			r := record(t, find(t, begins), h)
			assert.False(t, r.Failed() || r.skipped, "%s: %s", begins, r.text())
		})
	}
}

func TestAnAnonymousClaimerNeedNotSayWhoHolds(t *testing.T) {
	check := find(t, "a second candidate is denied")
	for _, anonymous := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			h := harness(t, bootclock.Clock, 8*time.Second, hidesHolder)
			h.Anonymous = anonymous
			assert.Equal(t, !anonymous, record(t, check, h).Failed())
		})
	}
}

// What is only late may be the machine's fault: it fails the check if it happens in every round.
func TestLatenessCountsWhenItHappensInEveryRound(t *testing.T) {
	for _, rounds := range []int64{1, 4, 5} {
		synctest.Test(t, func(t *testing.T) {
			h := harness(t, bootclock.Clock, 8*time.Second, none)
			open := h.Open
			var stalls atomic.Int64
			h.Open = func(t testing.TB) claimer.Claimer { return slow{open(t), &stalls, rounds} }
			r := record(t, find(t, "Release frees the name at once"), h)
			assert.Equal(t, rounds == 5, r.Failed(), "late in %d rounds: %s", rounds, r.text())
		})
	}
}

// slow is a Claimer on a machine that stalls for 5 s in the middle of a Release, so many times.
type slow struct {
	claimer.Claimer
	stalls *atomic.Int64
	most   int64
}

func (s slow) Release(ctx context.Context, c claimer.Claim) error {
	if s.stalls.Add(1) <= s.most {
		<-bootclock.Clock.After(5 * time.Second)
	}
	return s.Claimer.Release(ctx, c)
}

func TestAHarnessThatLacksSomethingIsRefused(t *testing.T) {
	whole := harness(t, bootclock.Clock, time.Second, none)
	require.NoError(t, whole.Validate())
	for lack, spoil := range map[string]func(h *claimertest.Harness){
		"no Open":       func(h *claimertest.Harness) { h.Open = nil },
		"Duration":      func(h *claimertest.Harness) { h.Duration = 0 },
		"WorstFailover": func(h *claimertest.Harness) { h.WorstFailover = -1 },
		"no Heal":       func(h *claimertest.Harness) { h.Heal = nil },
	} {
		h := whole
		spoil(&h)
		assert.ErrorContains(t, h.Validate(), lack)
		r := record(t, claimertest.Checks()[0], h)
		assert.True(t, r.Failed())
		assert.Contains(t, r.text(), lack)
	}
}

func TestEveryCheckHasANameOfItsOwn(t *testing.T) {
	seen := map[string]bool{}
	for _, check := range claimertest.Checks() {
		assert.False(t, seen[check.Name], check.Name)
		seen[check.Name] = true
	}
}
