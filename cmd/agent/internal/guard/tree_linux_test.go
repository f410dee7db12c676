package guard_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/muster-go/muster/cmd/agent/internal/guard"
)

// family starts a child in the group, one in its own session, a daemon forked twice, and one
// that stopped itself; each writes its pid and ignores SIGTERM.
const family = `
	trap '' TERM HUP
	sleep 1000 & echo $!
	setsid sleep 1000 & echo $!
	(setsid sh -c 'echo $$; (sleep 1000 & echo $!) ; sleep 1000' &)
	sh -c 'echo $$; kill -STOP $$' &
`

const familySize = 5

func TestDescendantsDieBeforeTheDeadline(t *testing.T) {
	t.Parallel()
	for _, noCgroup := range []bool{false, true} {
		out, output := collect(t)
		deadline := in(2500 * time.Millisecond)
		cmd := run(t, guard.Config{
			Argv: sh(family + "wait; sleep 1000"), Stdout: out, Grace: 400 * time.Millisecond, Deadline: deadline, NoCgroup: noCgroup,
		})
		all := pids(t, output, familySize)
		exit := wait(t, cmd)
		assert.True(t, exit.ByDeadline)
		assert.False(t, exit.GuardianLost)
		assertGone(t, all...)
	}
}

func TestWhatTheCommandLeavesBehindIsStopped(t *testing.T) {
	t.Parallel()
	t.Run("killed if it ignores SIGTERM", func(t *testing.T) {
		t.Parallel()
		for _, noCgroup := range []bool{false, true} {
			out, output := collect(t)
			cmd := run(t, guard.Config{Argv: sh(family + "exit 9"), Stdout: out, Grace: 200 * time.Millisecond, NoCgroup: noCgroup})
			assert.Equal(t, guard.Exit{Code: 9}, wait(t, cmd))
			assertGone(t, pids(t, output, 2)...)
		}
	})
	t.Run("with SIGTERM and the grace, once, wherever it is", func(t *testing.T) {
		t.Parallel()
		out, output := collect(t)
		child := `trap "echo bye; sleep 0.1; exit" TERM; echo ready; while :; do sleep 0.02; done`
		cmd := run(t, guard.Config{Argv: sh(
			`sh -c "$1" & setsid sh -c "$1" & while [ "$(wc -l < "$2")" -lt 2 ]; do sleep 0.02; done; exit 4`, child, out.Name()), Stdout: out, Grace: long})
		assert.Equal(t, guard.Exit{Code: 4}, wait(t, cmd))
		assert.Equal(t, 2, strings.Count(output(), "bye"), output())
	})
}

func TestStopWithoutGraceKillsAtOnce(t *testing.T) {
	t.Parallel()
	out, output := collect(t)
	cmd := run(t, guard.Config{Argv: sh(family + "wait; sleep 1000"), Stdout: out})
	all := pids(t, output, familySize)
	cmd.Stop()
	assert.Equal(t, guard.Exit{Code: -1, Signal: syscall.SIGKILL}, wait(t, cmd))
	assertGone(t, all...)
}

func TestOrphansAreReapedWhileTheCommandRuns(t *testing.T) {
	t.Parallel()
	out, output := collect(t)
	run(t, guard.Config{Argv: sh(`for i in 1 2 3 4 5; do (setsid sh -c 'echo $$' &); done; sleep 1000`), Stdout: out, Grace: time.Second})
	for _, pid := range pids(t, output, 5) {
		eventually(t, "no zombie", func() bool { return !exists(pid) })
	}
}

func TestCgroupIsRemoved(t *testing.T) {
	t.Parallel()
	out, output := collect(t)
	cmd := run(t, guard.Config{Argv: sh(family + "echo $$; wait; sleep 1000"), Stdout: out})
	pids(t, output, familySize+1)
	of := func(pid int) string {
		b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cgroup")
		require.NoError(t, err)
		for line := range strings.Lines(string(b)) {
			if path, ok := strings.CutPrefix(line, "0::"); ok {
				return strings.TrimSpace(path)
			}
		}
		return ""
	}
	group := of(cmd.Pid())
	if !strings.Contains(group, "/muster-") {
		t.Skip("no cgroup can be made here")
	}
	assert.NotContains(t, of(parentOf(cmd.Pid())), "/muster-", "the guardian stays out of it")
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	require.NoError(t, err)
	folder := ""
	for line := range strings.Lines(string(mounts)) {
		if strings.Contains(line, " - cgroup2 ") {
			folder = strings.Fields(line)[4] + group
		}
	}
	require.DirExists(t, folder)
	cmd.Stop()
	wait(t, cmd)
	assert.NoDirExists(t, folder)
}

func TestCgroupKillsAllInItAtOnce(t *testing.T) {
	t.Parallel()
	folder, kill, remove, err := guard.NewCgroup()
	if err != nil {
		t.Skip("no cgroup can be made here: ", err)
	}
	defer remove()
	below := filepath.Join(folder, "below") // as the command may do
	require.NoError(t, os.Mkdir(below, 0o755))
	cmd := exec.Command("sleep", "1000")
	require.NoError(t, cmd.Start())
	require.NoError(t, os.WriteFile(filepath.Join(below, "cgroup.procs"), []byte(strconv.Itoa(cmd.Process.Pid)), 0))
	kill()
	require.ErrorContains(t, cmd.Wait(), "killed")
	remove()
	assert.NoDirExists(t, folder)
}

// A process that forks and leaves faster than a process table can be read is caught by the cgroup.
func TestHoppingProcessDies(t *testing.T) {
	t.Parallel()
	out, output := collect(t)
	script := t.TempDir() + "/hop"
	require.NoError(t, os.WriteFile(script, []byte("#!/bin/sh\ntrap '' TERM\necho $$\nsetsid \"$0\" &\n"), 0o700))
	cmd := run(t, guard.Config{Argv: sh(`"$1" & sleep 1000`, script), Stdout: out})
	if b, err := os.ReadFile("/proc/" + strconv.Itoa(cmd.Pid()) + "/cgroup"); err != nil || !strings.Contains(string(b), "/muster-") {
		t.Skip("no cgroup can be made here")
	}
	pids(t, output, 10)
	cmd.Stop()
	wait(t, cmd)
	last := output()
	for f := range strings.FieldsSeq(last) {
		pid, err := strconv.Atoi(f)
		require.NoError(t, err)
		assert.ErrorIs(t, unix.Kill(pid, 0), unix.ESRCH)
	}
	assert.Equal(t, last, output(), "nobody writes any more")
}
