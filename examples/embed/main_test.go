package main

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

// asMain has the test binary be the program.
const asMain = "MUSTER_TEST_EMBED"

func TestMain(m *testing.M) {
	if os.Getenv(asMain) != "" {
		main()
		return
	}
	goleak.VerifyTestMain(m)
}

// program is one running process, and what it says on stdout.
type program struct {
	t     *testing.T
	cmd   *exec.Cmd
	lines chan string
}

// start runs the program with a folder of its own for its store.
func start(t *testing.T, folder string) *program {
	t.Helper()
	p := &program{t: t, cmd: exec.Command(os.Args[0]), lines: make(chan string, 100)}
	p.cmd.Env = append(os.Environ(), asMain+"=1", "TMPDIR="+folder)
	out, err := p.cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, p.cmd.Start())
	read := make(chan struct{})
	go func() {
		defer close(read)
		defer close(p.lines)
		for scanner := bufio.NewScanner(out); scanner.Scan(); {
			p.lines <- scanner.Text()
		}
		_, _ = io.Copy(io.Discard, out)
	}()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill() // if the test failed
		<-read
		_ = p.cmd.Wait()
	})
	return p
}

// says waits for the program's next line, which must begin so.
func (p *program) says(begin string) {
	p.t.Helper()
	select {
	case line, ok := <-p.lines:
		require.True(p.t, ok, "the program ended; want a line that begins with %q", begin)
		require.True(p.t, strings.HasPrefix(line, begin), "%q; want a line that begins with %q", line, begin)
	case <-time.After(time.Minute):
		require.FailNow(p.t, "says nothing", "want a line that begins with %q", begin)
	}
}

func TestOneProcessWorksAndTheNextTakesOver(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows knows no interrupt of another process")
	}
	folder := t.TempDir()
	first := start(t, folder)
	first.says("leading with token ")
	second := start(t, folder)
	require.NoError(t, first.cmd.Process.Signal(os.Interrupt))
	first.says("ended: <nil>")
	second.says("leading with token ")
	require.NoError(t, second.cmd.Process.Kill()) // no time to give anything up
	third := start(t, folder)
	third.says("leading with token ")
	require.NoError(t, third.cmd.Process.Signal(os.Interrupt))
	third.says("ended: <nil>")
}

func TestTheProgramHasAtMostFortyLines(t *testing.T) {
	text, err := os.ReadFile("main.go")
	require.NoError(t, err)
	assert.LessOrEqual(t, strings.Count(string(text), "\n"), 40)
}
