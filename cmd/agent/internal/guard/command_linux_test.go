package guard_test

import (
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/muster-go/muster/cmd/agent/internal/guard"
)

func TestExitIsTheCommandsOwn(t *testing.T) {
	t.Parallel()
	for script, want := range map[string]guard.Exit{
		"exit 0":        {},
		"exit 42":       {Code: 42},
		"exit 255":      {Code: 255},
		"kill -USR1 $$": {Code: -1, Signal: syscall.SIGUSR1},
		"kill -KILL $$": {Code: -1, Signal: syscall.SIGKILL},
	} {
		assert.Equal(t, want, wait(t, run(t, guard.Config{Argv: sh(script)})), script)
	}
}

func TestSignalsAreForwardedToTheGroupInOrder(t *testing.T) {
	t.Parallel()
	out, output := collect(t)
	cmd := run(t, guard.Config{Argv: sh(`
		trap 'echo usr1' USR1; trap 'echo usr2' USR2; trap 'echo hup' HUP; trap 'echo int; exit 3' INT
		echo ready; while :; do sleep 0.02; done`), Stdout: out})
	eventually(t, "ready", func() bool { return output() == "ready\n" })
	want := "ready\n"
	for _, s := range []syscall.Signal{syscall.SIGUSR1, syscall.SIGHUP, syscall.SIGUSR2} {
		require.NoError(t, cmd.Signal(s))
		want += strings.ToLower(strings.TrimPrefix(unix.SignalName(s), "SIG")) + "\n"
		eventually(t, want, func() bool { return output() == want })
	}
	require.NoError(t, cmd.Signal(os.Interrupt))
	assert.Equal(t, guard.Exit{Code: 3}, wait(t, cmd))
	require.ErrorIs(t, cmd.Signal(os.Interrupt), os.ErrProcessDone)
}

func TestCommandThatCannotBeRun(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(text), mode))
		return path
	}
	for _, test := range []struct {
		name string
		argv string
		want error
		text string
	}{
		{"no such name in PATH", "no-such-command", exec.ErrNotFound, "not found in PATH"},
		{"no such path", "./no-such-command", exec.ErrNotFound, "no such file"},
		{"a file without permission", write("plain", "#!/bin/sh\n", 0o600), fs.ErrPermission, "chmod"},
		{"a directory", dir, fs.ErrPermission, "can't be executed"},
		{"a missing interpreter", write("script", "#!/no/such/interpreter\n", 0o700), exec.ErrNotFound, "interpreter"},
		{"no program", write("noise", "noise", 0o700), unix.ENOEXEC, "#!/bin/sh"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := guard.Start(guard.Config{Argv: []string{test.argv}, Deadline: in(time.Minute)})
			require.ErrorIs(t, err, test.want)
			assert.Contains(t, err.Error(), test.text)
			assert.Contains(t, err.Error(), test.argv)
			assert.NotContains(t, err.Error(), "\n")
		})
	}
}

func TestExecutableThatIsNoGuardianIsAnError(t *testing.T) {
	t.Parallel()
	for _, executable := range [][]string{{"/no/such/file"}, {"/bin/true"}} {
		_, err := guard.Start(guard.Config{Argv: sh("exit"), Deadline: in(time.Minute), Executable: executable})
		require.ErrorContains(t, err, "guardian")
	}
}

func TestGuardianThatDoesNotAnswerIsKilledBeforeTheDeadline(t *testing.T) {
	t.Parallel()
	_, err := guard.Start(guard.Config{
		Argv: sh("exit"), Env: []string{strings.Repeat("x", 1<<17)}, Deadline: in(500 * time.Millisecond), Executable: []string{"/bin/sleep", "1000"},
	})
	require.ErrorIs(t, err, guard.ErrDeadline)
}

// On a busy machine a guardian takes its time; the leadership is renewed meanwhile.
func TestGuardianThatIsSlowToComeUpDoesNotCostTheCommandItsStart(t *testing.T) {
	t.Parallel()
	cmd := run(t, guard.Config{
		Argv: sh("exit 3"), Grace: 100 * time.Millisecond, Deadline: in(2 * time.Second),
		Renewed:    func() time.Time { return in(time.Minute) },
		Executable: []string{"/bin/sh", "-c", `sleep 2.5; exec "$1" ` + guard.Arg, "sh", self(t)},
	})
	assert.Equal(t, guard.Exit{Code: 3}, wait(t, cmd))
}

func TestOutputGoesStraightThrough(t *testing.T) {
	t.Parallel()
	r, w, err := os.Pipe()
	require.NoError(t, err)
	defer func() { _ = r.Close() }()
	cmd := run(t, guard.Config{Argv: sh(`readlink /proc/$$/fd/1; exec >&-; sleep 1000`), Stdout: w})
	require.NoError(t, w.Close())
	got, err := io.ReadAll(r)
	require.NoError(t, err, "the pipe ends when the command closes it: nobody else has it")
	assert.Regexp(t, `^pipe:\[\d+\]\n$`, string(got))
	cmd.Stop()
}

func TestStdinThatTheCommandDoesNotRead(t *testing.T) {
	t.Parallel()
	r, w, err := os.Pipe()
	require.NoError(t, err)
	defer func() { _ = w.Close() }()
	cmd := run(t, guard.Config{Argv: sh("exit 0"), Stdin: r})
	require.NoError(t, r.Close())
	assert.Equal(t, guard.Exit{}, wait(t, cmd))
	_, err = w.WriteString("unread")
	assert.ErrorIs(t, err, unix.EPIPE, "nobody holds the other end")
}

func TestCommandHasNoFilesButItsOwn(t *testing.T) {
	t.Parallel()
	leak, err := unix.Open("/dev/null", unix.O_RDONLY, 0) // as if the agent had it from its parent
	require.NoError(t, err)
	defer func() { _ = unix.Close(leak) }()
	out, output := collect(t)
	wait(t, run(t, guard.Config{Argv: sh(`ls /proc/$$/fd; :`), Stdout: out}))
	assert.Equal(t, "0\n1\n2\n", output())
}

func TestCommandHasItsSignalsAtTheirDefaults(t *testing.T) {
	t.Parallel()
	out, output := collect(t)
	a := startAgent(t, agentConfig{
		Argv: []string{"/bin/sh", "-c", "grep -E 'Sig(Blk|Ign)' /proc/self/status"}, TTL: time.Minute,
		Ignore: []syscall.Signal{syscall.SIGHUP, syscall.SIGINT, syscall.SIGPIPE, syscall.SIGTERM, syscall.SIGUSR1, syscall.SIGCHLD},
	}, out)
	assert.Equal(t, guard.Exit{}, a.exit(t))
	assert.Equal(t, "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n", output())
}

func TestEnvironmentAndDirectoryArePassedAsTheyAre(t *testing.T) {
	t.Parallel()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	require.NoError(t, err)
	out, output := collect(t)
	wait(t, run(t, guard.Config{
		Argv: sh(`pwd; printf %s "$A"; printf %s "$1"`, "\xff\n<"), Env: []string{"A=\xfe\n"}, Dir: dir, Stdout: out,
	}))
	assert.Equal(t, dir+"\n\xfe\n\xff\n<", output())
}

func TestEnvironmentLongerThanAPipe(t *testing.T) {
	t.Parallel()
	var env []string
	for range 20 {
		env = append(env, "A"+strings.Repeat("x", 100_000))
	}
	assert.Equal(t, guard.Exit{Code: 5}, wait(t, run(t, guard.Config{Argv: sh("exit 5"), Env: env})))
}

func TestLookPath(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "tool"), nil, 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "plain"), nil, 0o600))
	look := func(name string, env ...string) (string, error) { return guard.LookPath(name, env, dir) }

	path, err := look("tool", "PATH=/nowhere", "PATH=/nowhere:"+dir)
	require.NoError(t, err)
	assert.Equal(t, filepath.Join(dir, "tool"), path)
	path, err = look("./tool")
	require.NoError(t, err)
	assert.Equal(t, filepath.Join(dir, "tool"), path)
	_, err = look("tool", "PATH=/nowhere")
	require.ErrorIs(t, err, exec.ErrNotFound)
	_, err = look("tool")
	require.ErrorIs(t, err, exec.ErrNotFound)
	_, err = look("", "PATH="+dir)
	require.ErrorIs(t, err, exec.ErrNotFound)
	_, err = look("plain", "PATH="+dir)
	require.ErrorIs(t, err, fs.ErrPermission)
	path, err = guard.LookPath("sh", nil, "")
	require.NoError(t, err)
	assert.True(t, filepath.IsAbs(path))
}

func TestValidateRefuses(t *testing.T) {
	t.Parallel()
	good := guard.Config{Argv: []string{"x"}, Deadline: in(time.Minute)}
	require.NoError(t, good.Validate())
	for name, spoil := range map[string]func(*guard.Config){
		"no command":        func(c *guard.Config) { c.Argv = nil },
		"an empty command":  func(c *guard.Config) { c.Argv = []string{""} },
		"a NUL byte":        func(c *guard.Config) { c.Argv = []string{"x", "a\x00b"} },
		"a negative grace":  func(c *guard.Config) { c.Grace = -1 },
		"no deadline":       func(c *guard.Config) { c.Deadline = time.Time{} },
		"a missing folder":  func(c *guard.Config) { c.Dir = "/no/such/folder" },
		"a file for folder": func(c *guard.Config) { c.Dir = "/etc/passwd" },
	} {
		t.Run(name, func(t *testing.T) {
			bad := good
			spoil(&bad)
			require.Error(t, bad.Validate())
			_, err := guard.Start(bad)
			require.Error(t, err)
		})
	}
}
