package scenario_test

import (
	"flag"
	"log/slog"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/muster-go/muster/internal/etcdtest"
)

const (
	patience = 2 * time.Minute // bounds the waits for what must come, on a machine whose cores are all busy
	pollTime = 5 * time.Millisecond
)

func TestMain(m *testing.M) {
	flag.Parse()
	slog.SetDefault(slog.New(slog.DiscardHandler))          // each stand has a logger of its own
	if err := flag.Set("test.parallel", "64"); err != nil { // the tests wait, for the most part
		panic(err)
	}
	etcdtest.VerifyTestMain(m)
}

// tries is how often a test of what must never happen tries: MUSTER_TRIES, or the default.
func tries(byDefault int) int {
	if n, err := strconv.Atoi(os.Getenv("MUSTER_TRIES")); err == nil && n > 0 {
		return n
	}
	return byDefault
}

// randomness gives the random moments of a test, which differ between its parts.
func randomness(t *testing.T, part uint64) *rand.Rand {
	t.Helper()
	seed, err := strconv.ParseUint(os.Getenv("MUSTER_SEED"), 10, 64)
	if err != nil {
		seed = rand.Uint64()
	}
	t.Logf("MUSTER_SEED=%d", seed)
	return rand.New(rand.NewPCG(seed, part))
}
