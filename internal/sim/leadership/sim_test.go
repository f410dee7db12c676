package leadership_test

import (
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
)

var (
	simSeeds   = flag.Uint64("sim.seeds", 200, "courses of events that the simulation tries")
	simFirst   = flag.Uint64("sim.first", 1, "the seed of the first")
	simVerbose = flag.Bool("sim.verbose", false, "print everything that happens")
)

// TestUnderAnyFaultsOneLeadsAtATime runs the simulation; see the package's documentation. A failure
// prints the command that runs its course again.
func TestUnderAnyFaultsOneLeadsAtATime(t *testing.T) {
	var next, done, changes, failures atomic.Uint64
	t.Cleanup(func() {
		t.Logf("%d seeds, %d changes of leadership", done.Load(), changes.Load())
	})
	for i := range min(uint64(runtime.GOMAXPROCS(0)), *simSeeds) {
		t.Run(fmt.Sprint("part ", i+1), func(t *testing.T) {
			t.Parallel()
			for failures.Load() < 3 {
				i := next.Add(1) - 1
				if i >= *simSeeds {
					return
				}
				seed := *simFirst + i
				r := try(t, seed)
				changes.Add(uint64(r.changes))
				if r.failed != "" {
					failures.Add(1)
					t.Errorf("%s\n\nseed %d: %s\nrun it again: go test ./internal/sim/leadership -run UnderAnyFaults -sim.first %d -sim.seeds 1 (-sim.verbose for every message)",
						strings.Join(r.lines, "\n"), seed, r.failed, seed)
				}
				if n := done.Add(1); n%500 == 0 {
					fmt.Printf("%d of %d seeds, %d changes of leadership, %d failures\n", n, *simSeeds, changes.Load(), failures.Load())
				}
			}
		})
	}
}

// try runs one course in a bubble of its own.
func try(t *testing.T, seed uint64) (r result) {
	var out io.Writer
	if *simVerbose {
		out = os.Stdout
	}
	synctest.Test(t, func(*testing.T) { r = run(seed, out) })
	return r
}
