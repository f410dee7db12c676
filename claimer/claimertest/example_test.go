package claimertest_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/muster-go/muster/claimer"
	"github.com/muster-go/muster/claimer/claimertest"
	"github.com/muster-go/muster/internal/bootclock"
)

// openMine stands for what opens your Claimer; the example of Run is compiled, not run.
func openMine(testing.TB) claimer.Claimer { return nil }

// A test of a Claimer of your own, in real time.
func ExampleRun() {
	TestMyClaimer := func(t *testing.T) {
		claimertest.Run(t, claimertest.Harness{
			Open:          openMine,
			Duration:      800 * time.Millisecond,
			WorstFailover: 1500 * time.Millisecond,
		})
	}
	_ = TestMyClaimer
}

// A test of a Claimer of your own that runs in a bubble: hours pass in milliseconds. Each check has
// a bubble and a service to itself.
func ExampleChecks() {
	TestMyClaimer := func(t *testing.T) {
		for _, check := range claimertest.Checks() {
			t.Run(check.Name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					service := newService(bootclock.Clock, time.Minute, none)
					t.Cleanup(service.close)
					check.Run(t, claimertest.Harness{
						Open:          service.open,
						Duration:      time.Minute,
						WorstFailover: 2 * time.Minute,
					})
				})
			})
		}
	}
	_ = TestMyClaimer
}
