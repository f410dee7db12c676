package endurance_test

import (
	"log/slog"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/muster-go/muster/cmd/agent/internal/guard"
	"github.com/muster-go/muster/internal/endurance/endurancetest"
)

// TestMain makes the test binary its own guardian.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == guard.Arg {
		guard.Main()
	}
	slog.SetDefault(quiet)
	// A process with the race detector, as the guardian is here too, would wait a second before it ends.
	if err := os.Setenv("GORACE", "atexit_sleep_ms=0 "+os.Getenv("GORACE")); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m)
}

// patience is for what must come about, on however busy a machine.
const patience = time.Minute

var quiet = slog.New(slog.DiscardHandler)

// run is a course of the kit.
func run(t *testing.T, cycles, lanes int, cycle func(i int) error) {
	t.Helper()
	endurancetest.Run(t, endurancetest.Course{Cycles: cycles, Lanes: lanes}, cycle)
}
