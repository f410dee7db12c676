package tracker_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/internal/bootclock"
	"github.com/muster-go/muster/tracker"
	"github.com/muster-go/muster/tracker/trackertest"
)

// onBootClock runs a leader on the default clock.
func onBootClock(tb testing.TB) *tracker.Worker {
	tb.Helper()
	config := configFor(trackertest.NewMemory(bootclock.Clock))
	config.Clock = nil // the default, bootclock.Clock
	w, err := tracker.New(config)
	require.NoError(tb, err)
	tb.Cleanup(func() {
		w.Kill()
		require.NoError(tb, w.Wait())
	})
	require.True(tb, w.WaitLeader().Wait())
	return w
}

func TestClaimLeaderWhileLeadingDoesNotAllocate(t *testing.T) {
	w := onBootClock(t)
	lead := true
	if n := testing.AllocsPerRun(1000, func() { lead = lead && w.ClaimLeader().Wait() }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	require.True(t, lead)
}

// BenchmarkClaimLeader measures a claim while leading; x-clock is its cost as a multiple of reading
// the same clock, which is to be at most 1.5.
func BenchmarkClaimLeader(b *testing.B) {
	w := onBootClock(b)
	clk := bootclock.Clock
	// Both are measured in many short turns, side by side, and the median ratio counts: the sum would
	// be spoilt by a busy machine, and the fastest turn flatters.
	const turn = 1000
	ratios := make([]float64, 0, 1<<20)
	b.ReportAllocs()
	for b.Loop() {
		start := clk.Now()
		for range turn {
			clk.Now()
		}
		middle := clk.Now()
		for range turn {
			w.ClaimLeader()
		}
		if len(ratios) < cap(ratios) {
			ratios = append(ratios, float64(clk.Now().Sub(middle))/float64(middle.Sub(start)))
		}
	}
	slices.Sort(ratios)
	b.ReportMetric(ratios[len(ratios)/2], "x-clock")
	b.ReportMetric(ratios[len(ratios)*9/10], "x-clock-p90")
}
