package mutants_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/internal/mutants"
)

// runaway is a test that starts a shell in a session of its own, and by it another process, after
// whose death there is a third; each leaves its id in a file.
const runaway = `package sum

import (
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestRunaway(t *testing.T) {
	command := exec.Command("sh", "-c", "echo $$ >> $PIDS; sleep 1000 & echo $! >> $PIDS; wait; sh -c 'echo $$ >> $PIDS; sleep 1000'")
	command.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	for text := ""; strings.Count(text, "\n") < 2; time.Sleep(time.Millisecond) {
		read, _ := os.ReadFile(os.Getenv("PIDS"))
		text = string(read)
	}
	if Double(1) != 2 {
		t.Fatal("wrong")
	}
	if os.Getenv("LINGER") != "" {
		time.Sleep(time.Hour)
	}
}
`

func TestNothingThatATrialStartedOutlivesIt(t *testing.T) {
	if testing.Short() {
		t.Skip("runs the go command: left out by -short")
	}
	folder := newModule(t)
	require.NoError(t, os.WriteFile(filepath.Join(folder, "sum", "runaway_test.go"), []byte(runaway), 0o644))
	trial := mutants.Trial{Root: folder, Timeout: time.Hour}
	mutant := mutants.Mutant{Name: "x", File: "sum/sum.go", Old: "return 2 * n", New: "return 3 * n", Test: "TestRunaway"}
	pids := func(t *testing.T) (path string) {
		path = filepath.Join(t.TempDir(), "pids")
		t.Setenv("PIDS", path)
		return path
	}
	t.Run("after a mutant", func(t *testing.T) {
		path := pids(t)
		r, err := trial.Try(t.Context(), mutant)
		require.NoError(t, err)
		assert.Equal(t, mutants.Caught, r.Outcome, r.Output)
		assertDead(t, path)
	})
	t.Run("after the tests without a mutant", func(t *testing.T) {
		path := pids(t)
		unsound, output, err := trial.Sound(t.Context(), []mutants.Mutant{mutant})
		require.NoError(t, err)
		assert.Empty(t, unsound, output)
		assertDead(t, path)
	})
	broken := errors.New("the user has had enough")
	for name, run := range map[string]func(context.Context) error{
		"when it is interrupted": func(ctx context.Context) error {
			m := mutant
			m.New = "return n + n"
			_, err := trial.Try(ctx, m)
			return err
		},
		"when the tests without a mutant are interrupted": func(ctx context.Context) error {
			_, _, err := trial.Sound(ctx, []mutants.Mutant{mutant})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := pids(t)
			t.Setenv("LINGER", "1")
			t.Setenv("TMPDIR", t.TempDir())
			ctx, interrupt := context.WithCancelCause(t.Context())
			ended := make(chan error, 1)
			go func() { ended <- run(ctx) }()
			require.Eventually(t, func() bool {
				text, err := os.ReadFile(path)
				return err == nil && strings.Count(string(text), "\n") >= 2
			}, 2*time.Minute, 10*time.Millisecond)
			interrupt(broken)
			require.ErrorIs(t, <-ended, broken)
			assertDead(t, path)
			left, err := os.ReadDir(os.Getenv("TMPDIR"))
			require.NoError(t, err)
			assert.Empty(t, left)
		})
	}
}

// assertDead reads the ids of processes and checks that none of them runs.
func assertDead(t *testing.T, path string) {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	fields := strings.Fields(string(text))
	assert.GreaterOrEqual(t, len(fields), 2)
	for _, field := range fields {
		pid, err := strconv.Atoi(field)
		require.NoError(t, err)
		command, _ := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "cmdline")) // empty for what only nobody has waited for
		assert.Empty(t, string(command), "process %d runs", pid)
	}
}
