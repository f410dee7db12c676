package leadership_test

import (
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
)

var (
	simSeeds   = flag.Uint64("sim.seeds", 200, "courses of events that the simulation tries")
	simFirst   = flag.Uint64("sim.first", 1, "the seed of the first")
	simVerbose = flag.Bool("sim.verbose", false, "print everything that happens")
)

// TestUnderAnyFaultsOneLeadsAtATime runs the simulation; see the package's documentation. A failure
// prints the command that runs its course again.
func TestUnderAnyFaultsOneLeadsAtATime(t *testing.T) {
	var next, failures atomic.Uint64
	var mu sync.Mutex
	var all tally
	t.Cleanup(func() {
		t.Log(&all)
		if *simSeeds >= 100 && failures.Load() == 0 { // a simulation in which nothing happens proves nothing
			assert.Greater(t, all.changes, 2*all.seeds)
			assert.Greater(t, all.partitions, all.seeds/2)
			assert.Greater(t, all.losses, all.seeds/2)
		}
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
				if r.failed != "" {
					failures.Add(1)
					t.Errorf("%s\n\nseed %d: %s\nrun it again: go test ./internal/sim/leadership -run UnderAnyFaults -sim.first %d -sim.seeds 1 (-sim.verbose for every message)",
						strings.Join(r.lines, "\n"), seed, r.failed, seed)
				}
				mu.Lock()
				all.add(r.tally)
				if all.seeds%500 == 0 {
					fmt.Printf("%v; %d failures\n", &all, failures.Load())
				}
				mu.Unlock()
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
