package bench_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

// What is promised; below 1, Muster is faster.
const (
	mostSettled = 1.1 // of concurrency.Election's time, with a waiter that has waited for a while
	mostFresh   = 0.1 // with one that has just come
)

func BenchmarkHandOver(b *testing.B) {
	for _, bb := range []struct {
		name    string
		settled bool
	}{{"settled", true}, {"fresh", false}} {
		b.Run(bb.name, func(b *testing.B) {
			c := newContest(b, bb.settled)
			for b.Loop() {
				c.round()
			}
			b.ReportMetric(0, "ns/op") // of both, and of the waiting between: says nothing
			b.ReportMetric(median(c.ours).Seconds()*1e3, "muster-ms")
			b.ReportMetric(median(c.theirs).Seconds()*1e3, "election-ms")
			b.ReportMetric(c.ratio(), "x-election")
		})
	}
}

func TestAHandOverToASettledWaiterTakesNoLongerThanConcurrencyElections(t *testing.T) {
	testHandOver(t, true, mostSettled)
}

func TestAHandOverToAFreshWaiterTakesATenthOfConcurrencyElections(t *testing.T) {
	testHandOver(t, false, mostFresh)
}

func testHandOver(t *testing.T, settled bool, most float64) {
	c := newContest(t, settled)
	for range 60 {
		c.round()
	}
	t.Logf("muster %v, concurrency.Election %v: %.3f×", median(c.ours), median(c.theirs), c.ratio())
	assert.LessOrEqual(t, c.ratio(), most)
}
