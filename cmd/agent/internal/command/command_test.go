package command_test

import (
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/claimer"
	"github.com/muster-go/muster/cmd/agent/internal/command"
	"github.com/muster-go/muster/cmd/agent/internal/exit"
	"github.com/muster-go/muster/cmd/agent/internal/guard"
	"github.com/muster-go/muster/internal/bootclock"
)

func spec(ttl time.Duration, argv ...string) command.Spec {
	return command.Spec{
		Election: "web", Node: "box-1", TTL: ttl, Grace: command.DefaultGrace(ttl),
		Argv: argv, Env: append(os.Environ(), "MUSTER_TOKEN=stale"),
		Logger: slog.New(slog.DiscardHandler), Clock: bootclock.Clock,
	}
}

func in(d time.Duration) func() time.Time {
	at := bootclock.Clock.Now().Add(d)
	return func() time.Time { return at }
}

func TestACommandHearsOfItsLeadership(t *testing.T) {
	s := spec(time.Hour, "sh", "-c", `test "$MUSTER_ELECTION $MUSTER_TOKEN $MUSTER_NODE" = "web 7 box-1" && test "$(env | grep -c MUSTER_TOKEN)" = 1 && exit 42`)
	running, err := s.Start(claimer.Claim{Token: 7}, in(time.Hour))
	require.NoError(t, err)
	<-running.Done()
	assert.Equal(t, 42, command.ExitCode(running.Exit()))
}

func TestTheDeadlineIsPushedOnWhileTheCommandRuns(t *testing.T) {
	const ttl = 2 * time.Second
	if testing.Short() {
		t.Skip("takes a while: left out by -short")
	}
	path := filepath.Join(t.TempDir(), "done")
	// It runs for longer than the first deadline.
	s := spec(ttl, "sh", "-c", "sleep 3; touch "+path)
	var asked atomic.Int32
	running, err := s.Start(claimer.Claim{}, func() time.Time {
		asked.Add(1)
		return bootclock.Clock.Now().Add(time.Minute)
	})
	require.NoError(t, err)
	<-running.Done()
	assert.False(t, running.Exit().ByDeadline)
	assert.FileExists(t, path)
	assert.GreaterOrEqual(t, asked.Load(), int32(4))
}

func TestACommandThatCannotBeStarted(t *testing.T) {
	_, err := spec(time.Hour, "no-such-command-anywhere").Start(claimer.Claim{}, in(time.Hour))
	assert.ErrorIs(t, err, exec.ErrNotFound)
	late := spec(time.Hour, "true")
	_, err = late.Start(claimer.Claim{}, in(time.Millisecond))
	assert.ErrorIs(t, err, guard.ErrDeadline)
	assert.Equal(t, 3*time.Minute, late.Retry())
}

func TestEnvironmentReplacesAndLeavesTheRest(t *testing.T) {
	before := []string{"A=1", "B=2", "A=3"}
	assert.Equal(t, []string{"B=2", "A=x", "C=y"}, command.Environment(before, map[string]string{"C": "y", "A": "x"}))
	assert.Equal(t, "A=1,B=2,A=3", strings.Join(before, ","), "what was given is not changed")
}

func TestGrace(t *testing.T) {
	assert.Equal(t, time.Second, command.DefaultGrace(3*time.Second))
	assert.Equal(t, 5*time.Second, command.DefaultGrace(time.Hour))
	assert.NoError(t, command.CheckGrace("grace", 1999*time.Millisecond, "ttl", 4*time.Second))
	err := command.CheckGrace("grace", 2*time.Second, "ttl", 4*time.Second)
	assert.Equal(t, exit.Value, exit.Code(err))
	assert.ErrorContains(t, err, "grace 2s: must be less than half of ttl 4s, which is 2s")
}

func TestThePauseGrowsUntilARunIsLong(t *testing.T) {
	var p command.Pause
	var waits []time.Duration
	for range 9 {
		waits = append(waits, p.After(time.Second))
	}
	const ms = time.Millisecond
	assert.Equal(t, []time.Duration{100 * ms, 200 * ms, 400 * ms, 800 * ms, 1600 * ms, 3200 * ms, 6400 * ms, 10000 * ms, 10000 * ms}, waits)
	assert.Equal(t, 100*ms, p.After(5*time.Second))
	assert.Equal(t, 200*ms, p.After(0))
}
