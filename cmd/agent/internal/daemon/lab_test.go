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
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/internal/proctest"
)

const (
	patience = proctest.Patience // bounds every wait of these tests
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

// process is an agent.
type process struct {
	proctest.Process
	out    *proctest.Output // stdout and stderr
	stdout bytes.Buffer     // once done, if the agent isn't a daemon
}

// command makes an agent whose state folder is that of the node; it isn't started yet.
func (l *lab) command(node string, args ...string) *process {
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), agentEnv+"=1", "XDG_STATE_HOME="+filepath.Join(l.dir, "state-"+node),
		"XDG_CONFIG_HOME="+filepath.Join(l.dir, "config"), "MUSTER_STORE="+l.store, "MUSTER_NODE="+node, "NOTIFY_SOCKET=")
	p := &process{
		Process: proctest.Process{T: l.t, Cmd: cmd, Name: node + ": agent"},
		out:     new(proctest.Output),
	}
	cmd.Stdout, cmd.Stderr = p.out, p.out
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
	p.Cmd.Env = append(p.Cmd.Env, env...)
	p.Start()
	p.said(`serves on http://`)
	return p
}

// run runs an agent with the state folder of the node to its end, and gives its exit code.
func (l *lab) run(node string, args ...string) (code int, stdout, stderr string) {
	l.t.Helper()
	p := l.command(node, args...)
	p.Cmd.Stdout = &p.stdout
	p.Start()
	code = p.Wait()
	return code, p.stdout.String(), p.out.String()
}

// said waits until the output has a match, and gives its groups.
func (p *process) said(pattern string) []string {
	p.T.Helper()
	return p.Said(p.out, pattern)
}

// saidAfter is said for what comes after so many bytes.
func (p *process) saidAfter(offset int, pattern string) []string {
	p.T.Helper()
	return p.SaidAfter(p.out, offset, pattern)
}

// url is where the daemon serves.
func (p *process) url() string {
	p.T.Helper()
	return p.said(`serves on (http://[^;]+);`)[1]
}

// get asks the daemon; change may alter the request.
func (p *process) get(path string, change ...func(*http.Request)) (code int, body string) {
	t := p.T
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
	t := p.T
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
	p.T.Helper()
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
