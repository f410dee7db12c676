package proctest

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Patience bounds every wait: far beyond what anything takes, so that a machine whose cores are all
// busy fails no test.
const Patience = 60 * time.Second

// Process is a process that a test starts. Fields are set before Start.
type Process struct {
	T    testing.TB
	Cmd  *exec.Cmd // what of its Stdout and Stderr is an Output can be waited for, and is told when the test fails
	Name string    // what messages call it

	done chan struct{}
}

// Start starts the process; it is killed at the end of the test at the latest.
func (p *Process) Start() {
	p.T.Helper()
	// The children of a process that was killed may hold its output for a moment; nobody waits for them.
	p.Cmd.WaitDelay = 5 * time.Second
	// The race detector would have each process of these, guardians too, wait for a second at its end.
	p.Cmd.Env = append(p.Cmd.Environ(), "GORACE=atexit_sleep_ms=0 "+os.Getenv("GORACE"))
	require.NoError(p.T, p.Cmd.Start())
	p.done = make(chan struct{})
	go func() {
		defer close(p.done)
		_ = p.Cmd.Wait()
		for _, w := range []any{p.Cmd.Stdout, p.Cmd.Stderr} {
			if o, ok := w.(*Output); ok {
				o.end()
			}
		}
	}()
	p.T.Cleanup(func() {
		_ = p.Cmd.Process.Kill()
		<-p.done
		if p.T.Failed() {
			p.T.Logf("%s: %v%s", p, p.Cmd.ProcessState, p.outputs())
		}
	})
}

// Done is closed once the process has ended and all its output is there.
func (p *Process) Done() <-chan struct{} { return p.done }

// Wait waits for the end and gives the exit code; 128 + n for a process that signal n ended.
func (p *Process) Wait() int {
	p.T.Helper()
	select {
	case <-p.done:
	case <-time.After(Patience):
		require.FailNow(p.T, "the process did not end", "%s%s", p, p.outputs())
	}
	status := p.Cmd.ProcessState.Sys().(syscall.WaitStatus)
	if status.Signaled() {
		return 128 + int(status.Signal())
	}
	return status.ExitStatus()
}

// Signal sends a signal to the process, which must not have ended.
func (p *Process) Signal(s syscall.Signal) {
	p.T.Helper()
	require.NoError(p.T, p.Cmd.Process.Signal(s))
}

// PID is the process's number.
func (p *Process) PID() int { return p.Cmd.Process.Pid }

// Said waits until an output of the process has a match, and gives its groups. In the pattern ^ and
// $ stand for the ends of lines too.
func (p *Process) Said(o *Output, pattern string) []string {
	p.T.Helper()
	return p.SaidAfter(o, 0, pattern)
}

// SaidAfter is Said for what comes after so many bytes.
func (p *Process) SaidAfter(o *Output, offset int, pattern string) []string {
	p.T.Helper()
	re := regexp.MustCompile("(?m)" + pattern)
	late := time.After(Patience)
	for {
		text, more, ended := o.state()
		if match := re.FindStringSubmatch(text[min(offset, len(text)):]); match != nil {
			return match
		}
		if ended {
			require.FailNow(p.T, "the process ended without saying it", "want %q of %s%s", pattern, p, p.outputs())
		}
		select {
		case <-more:
		case <-late:
			require.FailNow(p.T, "the process did not say it", "want %q of %s%s", pattern, p, p.outputs())
		}
	}
}

// String names the process, with its arguments.
func (p *Process) String() string { return fmt.Sprintf("%s %q", p.Name, p.Cmd.Args[1:]) }

// outputs is all that the process said, for messages.
func (p *Process) outputs() string {
	stdout, _ := p.Cmd.Stdout.(*Output)
	stderr, _ := p.Cmd.Stderr.(*Output)
	if stdout == stderr && stdout != nil {
		return fmt.Sprintf("\nstdout and stderr:\n%s", stdout)
	}
	var text string
	if stdout != nil {
		text += fmt.Sprintf("\nstdout:\n%s", stdout)
	}
	if stderr != nil {
		text += fmt.Sprintf("\nstderr:\n%s", stderr)
	}
	return text
}
