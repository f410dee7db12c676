package guard_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/cmd/agent/internal/guard"
)

// From Start to Done of a command that ends at once.
func BenchmarkTrue(b *testing.B) {
	for b.Loop() {
		cmd, err := guard.Start(guard.Config{Argv: []string{"true"}, Deadline: in(time.Minute)})
		require.NoError(b, err)
		<-cmd.Done()
	}
}

// From Stop to Done of a command that heeds SIGTERM.
func BenchmarkStop(b *testing.B) {
	var stopping time.Duration
	for b.Loop() {
		cmd, err := guard.Start(guard.Config{Argv: []string{"sleep", "1000"}, Grace: time.Second, Deadline: in(time.Minute)})
		require.NoError(b, err)
		begun := bootNow()
		cmd.Stop()
		<-cmd.Done()
		stopping += time.Duration(bootNow() - begun)
	}
	b.ReportMetric(float64(stopping.Microseconds())/float64(b.N), "µs/stop")
}
