package guard_test

import (
	"encoding/json"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/cmd/agent/internal/guard"
	"github.com/muster-go/muster/internal/bootclock"
)

// long is for what must come about, on however busy a machine.
const long = 20 * time.Second

func in(d time.Duration) time.Time { return bootclock.Clock.Now().Add(d) }

func eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	require.Eventually(t, f, long, 2*time.Millisecond, what)
}

// run starts a command in this process with a far deadline, unless cfg says otherwise.
func run(t *testing.T, cfg guard.Config) *guard.Command {
	t.Helper()
	if cfg.Deadline.IsZero() {
		cfg.Deadline = in(time.Minute)
	}
	cfg.Logger = slog.New(slog.DiscardHandler)
	cmd, err := guard.Start(cfg)
	require.NoError(t, err)
	guardian := parentOf(cmd.Pid())
	t.Cleanup(func() {
		cmd.Stop()
		wait(t, cmd)
		assert.False(t, exists(cmd.Pid()), "the command is left")
		assert.False(t, guardian > 1 && guardian != os.Getpid() && exists(guardian), "the guardian is left")
	})
	return cmd
}

func wait(t *testing.T, cmd *guard.Command) guard.Exit {
	t.Helper()
	select {
	case <-cmd.Done():
	case <-time.After(long):
		require.Fail(t, "the command isn't done")
	}
	return cmd.Exit()
}

func sh(script string, args ...string) []string {
	return append([]string{"/bin/sh", "-c", script, "sh"}, args...)
}

func self(t *testing.T) string {
	t.Helper()
	path, err := os.Executable()
	require.NoError(t, err)
	return path
}

// collect gives a file for the command's output and what was written to it so far.
func collect(t *testing.T) (*os.File, func() string) {
	t.Helper()
	file, err := os.Create(filepath.Join(t.TempDir(), "out"))
	require.NoError(t, err)
	t.Cleanup(func() { _ = file.Close() })
	return file, func() string {
		b, err := os.ReadFile(file.Name())
		require.NoError(t, err)
		return string(b)
	}
}

// pids waits for n process ids, a line each.
func pids(t *testing.T, output func() string, n int) []int {
	t.Helper()
	eventually(t, "process ids", func() bool { return strings.Count(output(), "\n") >= n })
	var found []int
	for _, f := range strings.Fields(output()) {
		pid, err := strconv.Atoi(f)
		require.NoError(t, err)
		found = append(found, pid)
	}
	return found
}

func assertGone(t *testing.T, pids ...int) {
	t.Helper()
	for _, pid := range pids {
		assert.False(t, exists(pid), "process %d is left", pid)
	}
}

// agent is an agent in a process of its own. Its guardian is 0 if the command ended at once.
type agent struct {
	*os.Process
	house             chan error // gives one when the agent and all that it left are gone
	command, guardian int
	deadlines         string
	stdout            *os.File
	says              *json.Decoder // of stdout
	stdin             io.Writer     // a byte tells the agent to stop its command
}

// startAgent starts one whose command's output is the agent's stderr, given as output.
func startAgent(t *testing.T, cfg agentConfig, output io.Writer) *agent {
	t.Helper()
	cfg.Deadlines = filepath.Join(t.TempDir(), "deadlines")
	arg, err := json.Marshal(cfg)
	require.NoError(t, err)
	a := &agent{house: make(chan error, 1), deadlines: cfg.Deadlines}
	house := exec.Command(self(t), "__house", "__agent", string(arg))
	house.Stderr = output
	stdout, write, err := os.Pipe() // not house.StdoutPipe, which Wait would close
	require.NoError(t, err)
	t.Cleanup(func() { _ = stdout.Close() })
	house.Stdout = write
	a.stdin, err = house.StdinPipe()
	require.NoError(t, err)
	require.NoError(t, house.Start())
	require.NoError(t, write.Close())
	a.stdout, a.says = stdout, json.NewDecoder(stdout)
	var first agentSays
	require.NoError(t, a.says.Decode(&first))
	a.Process, err = os.FindProcess(first.Agent)
	require.NoError(t, err)
	a.command, a.guardian = first.Pid, parentOf(first.Pid)
	go func() { a.house <- house.Wait() }()
	t.Cleanup(func() {
		_ = a.Kill()
		a.empty(t)
	})
	return a
}

// empty waits until the agent and all that it left are gone.
func (a *agent) empty(t *testing.T) {
	t.Helper()
	select {
	case err := <-a.house:
		require.NoError(t, err)
		a.house <- nil
	case <-time.After(long):
		require.Fail(t, "the killed agent left something")
	}
}

// exit waits for the end of the agent's command.
func (a *agent) exit(t *testing.T) guard.Exit {
	t.Helper()
	require.NoError(t, a.stdout.SetReadDeadline(time.Now().Add(long)))
	var last agentSays
	require.NoError(t, a.says.Decode(&last))
	require.NotNil(t, last.Exit)
	return *last.Exit
}
