package history_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

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
	t.Helper()
	seed, n := number(t, "MUSTER_SEED", rand.Uint64()), number(t, "MUSTER_TRIES", 1)
	require.Positive(t, n, "MUSTER_TRIES")
	for i := range n {
		t.Run(fmt.Sprintf("try %d", i+1), func(t *testing.T) { test(t, seed+i) })
	}
}

// number is what an environment variable says.
func number(t *testing.T, variable string, otherwise uint64) uint64 {
	t.Helper()
	text := os.Getenv(variable)
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(text, 10, 64)
	require.NoError(t, err, variable)
	return n
}
