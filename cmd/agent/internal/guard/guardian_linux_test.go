package guard_test

import (
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/muster-go/muster/cmd/agent/internal/guard"
)

func TestKilledGuardian(t *testing.T) {
	t.Parallel()
	for _, noCgroup := range []bool{false, true} {
		out, output := collect(t)
		a := startAgent(t, agentConfig{
			Argv: sh(`trap '' TERM; setsid sleep 1000 & echo $!; (setsid sh -c 'echo $$; sleep 1000' &); sleep 1000 & echo $!; wait`),
			TTL:  time.Minute, Grace: 10 * time.Second, NoCgroup: noCgroup,
		}, out)
		below := pids(t, output, 3)
		require.NoError(t, unix.Kill(a.guardian, unix.SIGKILL))
		assert.Equal(t, guard.Exit{Code: -1, Signal: syscall.SIGKILL, GuardianLost: true}, a.exit(t))
		assertGone(t, append(below, a.command, a.guardian)...)
	}
}

func TestFrozenGuardian(t *testing.T) {
	t.Parallel()
	t.Run("the agent keeps the deadline", func(t *testing.T) {
		t.Parallel()
		stamps := filepath.Join(t.TempDir(), "stamps")
		a := startAgent(t, agentConfig{Argv: []string{self(t), "__stamp", stamps}, TTL: 3 * time.Second, Grace: 400 * time.Millisecond}, nil)
		stamping(t, stamps)
		require.NoError(t, unix.Kill(a.guardian, unix.SIGSTOP))
		assert.Equal(t, guard.Exit{Code: -1, Signal: syscall.SIGKILL, ByDeadline: true, GuardianLost: true}, a.exit(t))
		assert.Less(t, lastStamp(stamps), lastStamp(a.deadlines))
		assertGone(t, a.command, a.guardian)
	})
	t.Run("the agent counts only what the guardian acknowledged", func(t *testing.T) {
		t.Parallel()
		a := startAgent(t, agentConfig{
			Argv: sh(`trap 'exit 7' TERM; while :; do sleep 0.02; done`),
			TTL:  4 * time.Second, Grace: 3 * time.Second, Extend: 50 * time.Millisecond,
		}, nil)
		require.NoError(t, unix.Kill(a.guardian, unix.SIGSTOP))
		assert.Equal(t, guard.Exit{Code: 7, ByDeadline: true, GuardianLost: true}, a.exit(t), "with its grace")
		assertGone(t, a.command, a.guardian)
	})
	t.Run("the agent stops the command in its stead", func(t *testing.T) {
		t.Parallel()
		out, output := collect(t)
		a := startAgent(t, agentConfig{Argv: sh(`trap 'exit 7' TERM; echo ready; while :; do sleep 0.02; done`), TTL: time.Hour, Grace: time.Minute}, out)
		eventually(t, "a trap", func() bool { return output() != "" })
		require.NoError(t, unix.Kill(a.guardian, unix.SIGSTOP))
		_, err := a.stdin.Write([]byte("\n"))
		require.NoError(t, err)
		eventually(t, "SIGTERM ends the command", func() bool { return parentOf(a.command) == 0 })
		require.NoError(t, unix.Kill(a.guardian, unix.SIGCONT))
		assert.Equal(t, guard.Exit{Code: 7}, a.exit(t), "and its guardian, back again, says how")
	})
	t.Run("back after the agent's SIGTERM, it doesn't take that for the command's own end", func(t *testing.T) {
		t.Parallel()
		a := startAgent(t, agentConfig{Argv: []string{"sleep", "1000"}, TTL: 11 * time.Second, Grace: 10 * time.Second}, nil)
		require.NoError(t, unix.Kill(a.guardian, unix.SIGSTOP))
		eventually(t, "SIGTERM ends the command", func() bool { return parentOf(a.command) == 0 })
		require.NoError(t, unix.Kill(a.guardian, unix.SIGCONT))
		assert.Equal(t, guard.Exit{Code: -1, Signal: syscall.SIGTERM, ByDeadline: true}, a.exit(t))
	})
	t.Run("and agent: the command dies as soon as one goes on", func(t *testing.T) {
		t.Parallel()
		a := startAgent(t, agentConfig{Argv: []string{"sleep", "1000"}, TTL: 2 * time.Second, Grace: 100 * time.Millisecond}, nil)
		require.NoError(t, a.Signal(syscall.SIGSTOP))
		require.NoError(t, unix.Kill(a.guardian, unix.SIGSTOP))
		eventually(t, "the deadline passes", func() bool { return bootNow() > lastStamp(a.deadlines) })
		require.NoError(t, unix.Kill(a.guardian, unix.SIGCONT))
		eventually(t, "the command dies", func() bool { return parentOf(a.command) == 0 })
		require.NoError(t, a.Signal(syscall.SIGCONT))
		assert.Equal(t, guard.Exit{Code: -1, Signal: syscall.SIGKILL, ByDeadline: true}, a.exit(t))
	})
	t.Run("the agent's death lets it go on", func(t *testing.T) {
		t.Parallel()
		a := startAgent(t, agentConfig{Argv: sh(`sleep 1000`), TTL: time.Hour}, nil)
		require.NoError(t, unix.Kill(a.guardian, unix.SIGSTOP))
		require.NoError(t, a.Kill())
		a.empty(t)
		assertGone(t, a.command)
	})
}

func TestGuardianTakesNoNoticeOfSignals(t *testing.T) {
	t.Parallel()
	cmd := run(t, guard.Config{Argv: []string{"sleep", "1000"}, Grace: 100 * time.Millisecond, Deadline: in(time.Second)})
	guardian := parentOf(cmd.Pid())
	cmd.Extend(in(time.Minute))
	for _, s := range []unix.Signal{unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGTERM, unix.SIGPIPE, unix.SIGUSR1, unix.SIGTSTP, unix.SIGABRT} {
		require.NoError(t, unix.Kill(guardian, s))
	}
	require.NoError(t, cmd.Signal(syscall.SIGINT), "only what comes from the agent counts")
	assert.Equal(t, guard.Exit{Code: -1, Signal: syscall.SIGINT}, wait(t, cmd))
}
