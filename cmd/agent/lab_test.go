package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/internal/etcdtest"
)

// patience bounds every wait of these tests: far beyond what anything takes, so that a machine
// whose cores are all busy fails none.
const patience = 60 * time.Second

// lab is a place of its own for a test: a state directory, and so a default store, that nobody
// else uses.
type lab struct {
	t     testing.TB
	state string
	env   []string
	etcd  *etcdtest.Server // where the store is; nil: it is the default one
}

func newLab(t *testing.T) *lab {
	t.Parallel()
	return &lab{t: t, state: filepath.Join(t.TempDir(), "state")}
}

// with gives the lab with further settings in the environment.
func (l *lab) with(env ...string) *lab {
	return &lab{t: l.t, state: l.state, env: append(append([]string(nil), l.env...), env...), etcd: l.etcd}
}

// process is an agent that was started.
type process struct {
	lab    *lab
	cmd    *exec.Cmd
	stdin  string
	stdout *output
	stderr *output
	done   chan struct{}
}

// command makes an agent that isn't started yet.
func (l *lab) command(args ...string) *process {
	l.t.Helper()
	p := &process{lab: l, stdout: newOutput(), stderr: newOutput(), done: make(chan struct{})}
	p.cmd = exec.Command(os.Args[0], args...)
	p.cmd.Env = append(os.Environ(), agentEnv+"=1", "XDG_STATE_HOME="+l.state, "MUSTER_STORE=", "MUSTER_NODE=")
	p.cmd.Env = append(p.cmd.Env, l.env...)
	p.cmd.Stdout, p.cmd.Stderr = p.stdout, p.stderr
	// The commands of an agent that was killed may hold its output for a moment; nobody waits for them.
	p.cmd.WaitDelay = 5 * time.Second
	return p
}

// start starts an agent; it is killed at the end of the test at the latest.
func (l *lab) start(args ...string) *process {
	l.t.Helper()
	return l.command(args...).start()
}

func (p *process) start() *process {
	p.lab.t.Helper()
	if p.stdin != "" {
		p.cmd.Stdin = strings.NewReader(p.stdin)
	}
	require.NoError(p.lab.t, p.cmd.Start())
	go func() {
		defer close(p.done)
		_ = p.cmd.Wait()
		p.stdout.end()
		p.stderr.end()
	}()
	p.lab.t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		<-p.done
		if p.lab.t.Failed() {
			p.lab.t.Logf("agent %q: %v\nstdout:\n%s\nstderr:\n%s", p.cmd.Args[1:], p.cmd.ProcessState, p.stdout, p.stderr)
		}
	})
	return p
}

// run starts an agent and waits for its end.
func (l *lab) run(args ...string) *process {
	l.t.Helper()
	p := l.start(args...)
	p.wait()
	return p
}

// wait waits for the end and gives the exit code; 128 + n for a process that signal n ended.
func (p *process) wait() int {
	p.lab.t.Helper()
	select {
	case <-p.done:
	case <-time.After(patience):
		require.FailNow(p.lab.t, "the agent did not end", "agent %q\nstderr:\n%s", p.cmd.Args[1:], p.stderr)
	}
	status := p.cmd.ProcessState.Sys().(syscall.WaitStatus)
	if status.Signaled() {
		return 128 + int(status.Signal())
	}
	return status.ExitStatus()
}

func (p *process) signal(s syscall.Signal) {
	p.lab.t.Helper()
	require.NoError(p.lab.t, p.cmd.Process.Signal(s))
}

func (p *process) pid() int { return p.cmd.Process.Pid }

// said waits until the output matches and gives the groups of the first match at or after the
// line from.
func (p *process) said(o *output, pattern string) []string {
	p.lab.t.Helper()
	return p.saidAfter(o, 0, pattern)
}

// saidAfter is said for what comes after so many bytes.
func (p *process) saidAfter(o *output, offset int, pattern string) []string {
	p.lab.t.Helper()
	re := regexp.MustCompile("(?m)" + pattern)
	late := time.After(patience)
	for {
		text, more, ended := o.state()
		if match := re.FindStringSubmatch(text[min(offset, len(text)):]); match != nil {
			return match
		}
		if ended {
			require.FailNow(p.lab.t, "the agent ended without saying it", "want %q of agent %q\nstdout:\n%s\nstderr:\n%s", pattern, p.cmd.Args[1:], p.stdout, p.stderr)
		}
		select {
		case <-more:
		case <-late:
			require.FailNow(p.lab.t, "the agent did not say it", "want %q of agent %q\nstdout:\n%s\nstderr:\n%s", pattern, p.cmd.Args[1:], p.stdout, p.stderr)
		}
	}
}

// leads waits until the agent says that it leads, and gives its token.
func (p *process) leads(offset int) uint64 {
	p.lab.t.Helper()
	return number(p.lab.t, p.saidAfter(p.stderr, offset, `leading \S+ with token (\d+)`)[1])
}

func number(t testing.TB, text string) uint64 {
	t.Helper()
	n, err := strconv.ParseUint(text, 10, 64)
	require.NoError(t, err)
	return n
}

// output collects what a process writes.
type output struct {
	mu    sync.Mutex
	buf   bytes.Buffer
	more  chan struct{} // closed at the next change
	ended bool
}

func newOutput() *output { return &output{more: make(chan struct{})} }

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	defer o.changed()
	return o.buf.Write(b)
}

func (o *output) end() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ended = true
	o.changed()
}

func (o *output) changed() {
	close(o.more)
	o.more = make(chan struct{})
}

func (o *output) state() (text string, more <-chan struct{}, ended bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String(), o.more, o.ended
}

func (o *output) String() string {
	text, _, _ := o.state()
	return text
}

func (o *output) len() int { return len(o.String()) }
