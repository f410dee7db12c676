package bench_test

import "testing"

// BenchmarkHandOver compares a graceful hand-over. What is aimed at: at most 1.1 times what
// concurrency.Election takes with a waiter that has waited for a while, and a tenth with a fresh one.
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
