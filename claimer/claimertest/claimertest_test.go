package claimertest_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/juju/clock"
	"github.com/juju/clock/testclock"
	"go.uber.org/goleak"

	"github.com/muster-go/muster/claimer/claimertest"
	"github.com/muster-go/muster/internal/bootclock"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// harness is over a service of its own, which ends with the test.
func harness(t testing.TB, clk clock.Clock, d time.Duration, f fault) claimertest.Harness {
	s := newService(clk, d, f)
	t.Cleanup(s.close)
	return claimertest.Harness{
		Open:          s.open,
		Duration:      d,
		WorstFailover: d + s.margin() + d/20,
		Clock:         clk,
		Cut:           s.pull(cut),
		Freeze:        s.pull(frozen),
		Heal:          s.pull(well),
		Kill:          s.pull(dead),
	}
}

func TestARightClaimerPassesInABubble(t *testing.T) {
	for _, check := range claimertest.Checks() {
		t.Run(check.Name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				check.Run(t, harness(t, bootclock.Clock, 8*time.Second, none))
			})
		})
	}
}

func TestARightClaimerPassesInRealTime(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds of real time")
	}
	t.Parallel()
	claimertest.Run(t, harness(t, bootclock.Clock, 500*time.Millisecond, none))
}

func TestARightClaimerPassesOnATestClock(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds of real time")
	}
	t.Parallel()
	clk := testclock.NewClock(time.Unix(1_000_000, 0))
	h := harness(t, clk, 8*time.Second, none)
	h.Advance = clk.Advance
	claimertest.Run(t, h)
}
