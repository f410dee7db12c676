package guard_test

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/muster-go/muster/cmd/agent/internal/guard"
	"github.com/muster-go/muster/internal/bootclock"
)

// stamping waits until the stamper runs.
func stamping(t *testing.T, file string) {
	t.Helper()
	eventually(t, "a stamp", func() bool { return lastStamp(file) != 0 })
}

func TestCommandThatIgnoresSIGTERMIsDeadBeforeTheDeadline(t *testing.T) {
	t.Parallel()
	for _, noCgroup := range []bool{false, true} {
		stamps := filepath.Join(t.TempDir(), "stamps")
		deadline := in(2500 * time.Millisecond)
		cmd := run(t, guard.Config{
			Argv: []string{self(t), "__stamp", stamps}, Grace: 400 * time.Millisecond, Deadline: deadline, NoCgroup: noCgroup,
		})
		exit := wait(t, cmd)
		assert.Equal(t, guard.Exit{Code: -1, Signal: syscall.SIGKILL, ByDeadline: true}, exit)
		assert.NotZero(t, lastStamp(stamps))
		assert.Less(t, lastStamp(stamps), bootclock.FromBoot(deadline))
	}
}

func TestExtendKeepsTheCommandAliveAndNeverMovesBack(t *testing.T) {
	t.Parallel()
	stamps := filepath.Join(t.TempDir(), "stamps")
	first := in(2 * time.Second)
	cmd := run(t, guard.Config{Argv: []string{self(t), "__stamp", stamps}, Grace: 300 * time.Millisecond, Deadline: first})
	second := first.Add(time.Second)
	cmd.Extend(second)
	cmd.Extend(first)
	cmd.Extend(first.Add(-time.Hour))
	wait(t, cmd)
	assert.Greater(t, lastStamp(stamps), bootclock.FromBoot(first))
	assert.Less(t, lastStamp(stamps), bootclock.FromBoot(second))
}

func TestStopThatTheDeadlineBeganIsNotCalledOff(t *testing.T) {
	t.Parallel()
	out, output := collect(t)
	cmd := run(t, guard.Config{
		Argv:   sh(`trap 'echo term' TERM; echo ready; while :; do sleep 0.02; done`),
		Stdout: out, Grace: 1500 * time.Millisecond, Deadline: in(3500 * time.Millisecond),
	})
	eventually(t, "SIGTERM", func() bool { return output() == "ready\nterm\n" })
	cmd.Extend(in(time.Hour))
	exit := wait(t, cmd)
	assert.Equal(t, guard.Exit{Code: -1, Signal: syscall.SIGKILL, ByDeadline: true}, exit)
}

func TestDeadlineGivesTheCommandItsGrace(t *testing.T) {
	t.Parallel()
	cmd := run(t, guard.Config{
		Argv:  sh(`trap 'exit 7' TERM; while :; do sleep 0.02; done`),
		Grace: 3 * time.Second, Deadline: in(5 * time.Second),
	})
	exit := wait(t, cmd)
	assert.Equal(t, guard.Exit{Code: 7, ByDeadline: true}, exit)
}

func TestStoppedCommandIsDeadBeforeTheDeadline(t *testing.T) {
	t.Parallel()
	stamps := filepath.Join(t.TempDir(), "stamps")
	deadline := in(2500 * time.Millisecond)
	cmd := run(t, guard.Config{Argv: []string{self(t), "__stamp", stamps}, Grace: 200 * time.Millisecond, Deadline: deadline})
	stamping(t, stamps)
	require.NoError(t, unix.Kill(cmd.Pid(), unix.SIGSTOP))
	exit := wait(t, cmd)
	assert.Equal(t, syscall.SIGKILL, exit.Signal)
	assert.Less(t, lastStamp(stamps), bootclock.FromBoot(deadline))
}

func TestStoppedCommandCanEndInItsGrace(t *testing.T) {
	t.Parallel()
	out, output := collect(t)
	cmd := run(t, guard.Config{Argv: sh(`trap 'exit 7' TERM; echo ready; while :; do sleep 0.02; done`), Stdout: out, Grace: long})
	eventually(t, "a trap", func() bool { return output() != "" })
	require.NoError(t, unix.Kill(-cmd.Pid(), unix.SIGSTOP))
	cmd.Stop()
	assert.Equal(t, guard.Exit{Code: 7}, wait(t, cmd))
}

func TestNothingIsStartedOnceTheDeadlineIsNear(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "ran")
	for _, left := range []time.Duration{-time.Hour, 0, 900 * time.Millisecond} {
		_, err := guard.Start(guard.Config{Argv: sh(`: > "$1"`, file), Grace: time.Second, Deadline: in(left)})
		require.ErrorIs(t, err, guard.ErrDeadline)
	}
	_, err := os.Stat(file)
	assert.ErrorIs(t, err, os.ErrNotExist)
}

func TestFrozenAgent(t *testing.T) {
	t.Parallel()
	stamps := filepath.Join(t.TempDir(), "stamps")
	a := startAgent(t, agentConfig{
		Argv: []string{self(t), "__stamp", stamps}, TTL: 2500 * time.Millisecond, Grace: 300 * time.Millisecond, Extend: 100 * time.Millisecond,
	}, nil)
	stamping(t, stamps)
	first := lastStamp(a.deadlines)
	eventually(t, "an extension", func() bool { return lastStamp(a.deadlines) > first })
	require.NoError(t, a.Signal(syscall.SIGSTOP))
	eventually(t, "the command dies", func() bool { return parentOf(a.command) == 0 })
	assert.Less(t, lastStamp(stamps), lastStamp(a.deadlines))

	require.NoError(t, a.Signal(syscall.SIGCONT))
	assert.Equal(t, guard.Exit{Code: -1, Signal: syscall.SIGKILL, ByDeadline: true}, a.exit(t), "and says so when it goes on")
}

func TestKilledAgent(t *testing.T) {
	t.Parallel()
	for _, noCgroup := range []bool{false, true} {
		out, output := collect(t)
		a := startAgent(t, agentConfig{
			Argv: sh(`trap 'echo term; exit' TERM; setsid sleep 1000 & echo $!; while :; do sleep 0.02; done`),
			TTL:  time.Minute, Grace: 20 * time.Second, NoCgroup: noCgroup,
		}, out)
		below := pids(t, output, 1)[0]
		// Until then it is a shell with the trap of the first, which a SIGTERM sets off without effect.
		eventually(t, "sleep begins", func() bool {
			name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", below))
			return err == nil && string(name) == "sleep\n"
		})
		require.NoError(t, a.Kill())
		a.empty(t)
		assert.Contains(t, output(), "term")
		assertGone(t, below, a.command)
	}
}

func TestKilledAgentWhoseCommandIgnoresSIGTERM(t *testing.T) {
	t.Parallel()
	stamps := filepath.Join(t.TempDir(), "stamps")
	a := startAgent(t, agentConfig{Argv: []string{self(t), "__stamp", stamps}, TTL: 3 * time.Second, Grace: time.Second}, nil)
	stamping(t, stamps)
	require.NoError(t, a.Kill())
	a.empty(t)
	assert.Less(t, lastStamp(stamps), lastStamp(a.deadlines))
	assertGone(t, a.command)
}
