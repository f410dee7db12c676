package command_test

import (
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/muster-go/muster/cmd/agent/internal/guard"
)

// TestMain makes the test binary its own guardian.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == guard.Arg {
		guard.Main()
	}
	goleak.VerifyTestMain(m)
}
