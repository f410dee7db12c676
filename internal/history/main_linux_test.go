package history_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"

	"github.com/muster-go/muster/internal/etcdtest"
)

func TestMain(m *testing.M) {
	if config := os.Getenv(workerEnv); config != "" {
		if err := runWorker(config); err != nil {
			fmt.Fprintln(os.Stderr, "worker:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	flag.Parse()
	if err := flag.Set("test.parallel", "8"); err != nil { // the tests wait, for the most part
		panic(err)
	}
	etcdtest.VerifyTestMain(m)
}

// tries runs a test MUSTER_TRIES times, else once, each with a seed of its own, of which MUSTER_SEED
// is the first.
func tries(t *testing.T, test func(t *testing.T, seed uint64)) {
	seed, err := strconv.ParseUint(os.Getenv("MUSTER_SEED"), 10, 64)
	if err != nil {
		seed = rand.Uint64()
	}
	n, err := strconv.ParseUint(os.Getenv("MUSTER_TRIES"), 10, 64)
	if err != nil {
		n = 1
	}
	for i := range n {
		t.Run(fmt.Sprintf("try %d", i+1), func(t *testing.T) { test(t, seed+i) })
	}
}
