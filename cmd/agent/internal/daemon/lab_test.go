package daemon_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// patience bounds every wait of these tests: far beyond what anything takes, so that a machine
// whose cores are all busy fails none.
const (
	patience = 60 * time.Second
	pollTime = 20 * time.Millisecond
)

// lab is a place of its own for a test: a store that nobody else uses, and state folders, one for
// each name of a node.
type lab struct {
	t     *testing.T
	store string // URL
	dir   string
}

func newLab(t *testing.T) *lab {
	t.Helper()
	t.Parallel()
	dir := t.TempDir()
	return newLabOn(t, "sqlite://"+filepath.Join(dir, "muster.db"))
}

// newLabOn is newLab on a store of the test's own.
func newLabOn(t *testing.T, store string) *lab { return &lab{t: t, store: store, dir: t.TempDir()} }

// process is an agent that was started.
type process struct {
	lab    *lab
	cmd    *exec.Cmd
	node   string
	out    *output // stdout and stderr
	done   chan struct{}
	stdout bytes.Buffer // once done, if the agent isn't a daemon
}

// command makes an agent whose state folder is that of the node; it isn't started yet.
func (l *lab) command(node string, args ...string) *process {
	p := &process{lab: l, node: node, out: newOutput(), done: make(chan struct{})}
	p.cmd = exec.Command(os.Args[0], args...)
	p.cmd.Env = append(os.Environ(), agentEnv+"=1", "XDG_STATE_HOME="+filepath.Join(l.dir, "state-"+node),
		"XDG_CONFIG_HOME="+filepath.Join(l.dir, "config"), "MUSTER_STORE="+l.store, "MUSTER_NODE="+node, "NOTIFY_SOCKET=")
	p.cmd.Stdout, p.cmd.Stderr = p.out, p.out
	// The commands of an agent that was killed may hold its output for a moment; nobody waits for them.
	p.cmd.WaitDelay = 5 * time.Second
	return p
}

// config writes a configuration, with a listener on any port, and gives its path.
func (l *lab) config(name, elections string) string {
	l.t.Helper()
	path := filepath.Join(l.dir, name+".yaml")
	require.NoError(l.t, os.WriteFile(path, []byte("listen: 127.0.0.1:0\nelections:\n"+elections), 0o600))
	return path
}

// self gives the words of a list in YAML that run a helper.
func self(words ...string) string {
	all, err := json.Marshal(append([]string{os.Args[0]}, words...))
	if err != nil {
		panic(err)
	}
	return string(all)
}

// serve starts a daemon on a configuration, with further settings in the environment, and waits
// until it serves.
func (l *lab) serve(node, elections string, env ...string) *process {
	l.t.Helper()
	p := l.command(node, "serve", "-c", l.config(node, elections))
	p.cmd.Env = append(p.cmd.Env, env...)
	p.start()
	p.said(`serves on http://`)
	return p
}

// run runs an agent with the state folder of the node to its end, and gives its exit code.
func (l *lab) run(node string, args ...string) (code int, stdout, stderr string) {
	l.t.Helper()
	p := l.command(node, args...)
	p.cmd.Stdout = &p.stdout
	p.start()
	code = p.wait()
	return code, p.stdout.String(), p.out.String()
}

func (p *process) start() {
	t := p.lab.t
	t.Helper()
	require.NoError(t, p.cmd.Start())
	go func() {
		defer close(p.done)
		_ = p.cmd.Wait()
		p.out.end()
	}()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		<-p.done
		if t.Failed() {
			t.Logf("%s: agent %q: %v\n%s", p.node, p.cmd.Args[1:], p.cmd.ProcessState, p.out)
		}
	})
}

// wait waits for the end and gives the exit code; 128 + n for a process that signal n ended.
func (p *process) wait() int {
	p.lab.t.Helper()
	select {
	case <-p.done:
	case <-time.After(patience):
		require.FailNow(p.lab.t, "the agent did not end", "%s: agent %q\n%s", p.node, p.cmd.Args[1:], p.out)
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

// said waits until the output has a match, and gives its groups.
func (p *process) said(pattern string) []string {
	p.lab.t.Helper()
	return p.saidAfter(0, pattern)
}

// saidAfter is said for what comes after so many bytes.
func (p *process) saidAfter(offset int, pattern string) []string {
	p.lab.t.Helper()
	re := regexp.MustCompile("(?m)" + pattern)
	late := time.After(patience)
	for {
		text, more, ended := p.out.state()
		if match := re.FindStringSubmatch(text[min(offset, len(text)):]); match != nil {
			return match
		}
		if ended {
			require.FailNow(p.lab.t, "the agent ended without saying it", "%s: want %q\n%s", p.node, pattern, text)
		}
		select {
		case <-more:
		case <-late:
			require.FailNow(p.lab.t, "the agent did not say it", "%s: want %q\n%s", p.node, pattern, text)
		}
	}
}

// url is where the daemon serves.
func (p *process) url() string {
	p.lab.t.Helper()
	return p.said(`serves on (http://[^;]+);`)[1]
}

// get asks the daemon; change may alter the request.
func (p *process) get(path string, change ...func(*http.Request)) (code int, body string) {
	t := p.lab.t
	t.Helper()
	request, err := http.NewRequestWithContext(context.Background(), http.MethodGet, p.url()+path, nil)
	require.NoError(t, err)
	for _, f := range change {
		f(request)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}
	response, err := client.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return response.StatusCode, string(text)
}

// answers waits until a page has the code, and a body that matches, and gives the body.
func (p *process) answers(path string, code int, pattern string) string {
	t := p.lab.t
	t.Helper()
	var body string
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		var got int
		got, body = p.get(path)
		assert.Equal(c, code, got, body)
		assert.Regexp(c, pattern, body)
	}, patience, pollTime)
	return body
}

// leads waits until the daemon leads the election.
func (p *process) leads(election string) {
	p.lab.t.Helper()
	p.answers("/leader/"+election, 200, `"leading":true`)
}

// life is the line that a command left behind.
type life struct {
	pid   int
	node  string
	token uint64
	alone string
	began int64
}

// lives reads the lines.
func lives(t *testing.T, path string) []life {
	t.Helper()
	text, err := os.ReadFile(path)
	if !os.IsNotExist(err) {
		require.NoError(t, err)
	}
	var all []life
	for line := range strings.Lines(string(text)) {
		var l life
		if _, err := fmt.Sscanf(line, "%d %s %d %s %d\n", &l.pid, &l.node, &l.token, &l.alone, &l.began); err == nil {
			all = append(all, l)
		}
	}
	return all
}

// lived waits until n commands have begun, and checks that each was alone, with a greater token.
func lived(t *testing.T, path string, n int) []life {
	t.Helper()
	var all []life
	require.Eventually(t, func() bool {
		all = lives(t, path)
		return len(all) >= n
	}, patience, pollTime)
	for i, l := range all {
		assert.Equal(t, "alone", l.alone, "%+v", all)
		if i > 0 && l.node != all[i-1].node {
			assert.Greater(t, l.token, all[i-1].token, "%+v", all)
		}
	}
	return all
}

// gone waits until a process is no more.
func gone(t *testing.T, pid int) {
	t.Helper()
	require.Eventually(t, func() bool { return syscall.Kill(pid, 0) != nil }, patience, pollTime)
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
