package daemon_test

import (
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/cmd/agent/internal/daemon"
)

func regexpQuote(text string) string { return regexp.QuoteMeta(text) }

// portOf is the port of the daemon box-1.
func portOf(t *testing.T, l *lab) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(l.dir, "state-box-1", "muster", "daemon.json"))
	require.NoError(t, err)
	var d struct{ Address string }
	require.NoError(t, json.Unmarshal(text, &d))
	_, port, err := net.SplitHostPort(d.Address)
	require.NoError(t, err)
	return port
}

func rewrite(t *testing.T, path string, change func(string) string) {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, []byte(change(string(text))), 0o600))
}

func TestStatusAndGraph(t *testing.T) {
	l := newLab(t)
	note := filepath.Join(l.dir, "note")
	elections := "  job: {ttl: 20s, run: " + self("helper-live", note) + "}\n  web: {ttl: 20s}\n"
	one := l.serve("box-1", elections)
	one.leads("job")
	one.leads("web")
	two := l.serve("box-2", elections)
	two.answers("/readyz", 200, "ready")
	two.answers("/leader/job", 503, `"holder":"box-1"`)
	pid := lived(t, note, 1)[0].pid
	one.answers("/v1/status", 200, `"pid":`+number(pid))
	one.answers("/v1/status", 200, `"waiting":1,.*"waiting":1,`)
	two.answers("/v1/status", 200, `not leader of job; leader is box-1`)

	code, stdout, stderr := l.run("box-1", "status")
	assert.Equal(t, 0, code, stderr)
	assert.Regexp(t, `^box-1 \(pid `+number(one.Cmd.Process.Pid)+`\) on http://127.0.0.1:\d+, up [^:]+: ready\nstore `+regexpQuote(l.store)+`\n\n`+
		`ELECTION +LEADER +YOU +TOKEN +LEFT +WAITING +COMMAND\n`+
		`job +box-1 +leads +\d+ +[\d.]+ m?s +1 +runs \(pid `+number(pid)+`\)\n`+
		`web +box-1 +leads +\d+ +[\d.]+ m?s +1 +-\n$`, stdout)

	code, stdout, _ = l.run("box-2", "status")
	assert.Equal(t, 0, code)
	assert.Regexp(t, `job +box-1 +waits +\d+ +- +1 +stopped\n`, stdout)
	assert.Contains(t, stdout, "\nnot running:\n  command(job) (blocked): waits for gate(job): not leader of job; leader is box-1\n")

	code, stdout, _ = l.run("elsewhere", "status", "-o", "json", "--addr", "127.0.0.1:"+portOf(t, l))
	assert.Equal(t, 0, code)
	var status daemon.Status
	require.NoError(t, json.Unmarshal([]byte(stdout), &status))
	assert.True(t, status.Ready)
	assert.Equal(t, "box-1", status.Node)
	require.Len(t, status.Elections, 2)
	assert.True(t, status.Elections[0].Leads)
	assert.Positive(t, status.Elections[0].Left)
	assert.Equal(t, pid, status.Elections[0].Command.PID)

	for format, want := range map[string]string{
		"tree": "└─ claimer(20s)", "dot": "digraph", "mermaid": "flowchart", "json": `"nodes"`, "": "└─ claimer(20s)",
	} {
		args := []string{"graph"}
		if format != "" {
			args = append(args, "-o", format)
		}
		code, stdout, stderr := l.run("box-1", args...)
		assert.Equal(t, 0, code, stderr)
		assert.Contains(t, stdout, want, format)
		assert.Contains(t, stdout, "tracker(job)", format)
	}
	code, _, stderr = l.run("box-1", "graph", "-o", "text")
	assert.Equal(t, 78, code)
	assert.Contains(t, stderr, "tree or dot or mermaid or json")
}

func TestADaemonThatIsNotThereIsSaid(t *testing.T) {
	l := newLab(t)
	code, _, stderr := l.run("box-1", "status")
	assert.Equal(t, 69, code)
	assert.Contains(t, stderr, "start one with agent serve")
	p := l.serve("box-1", "  web: {}\n")
	p.Signal(syscall.SIGKILL)
	p.Wait()
	code, _, stderr = l.run("box-1", "graph")
	assert.Equal(t, 69, code)
	assert.Regexp(t, `agent: the daemon of \S+ \(pid \d+, on 127.0.0.1:\d+\) is gone, and left without a farewell`, stderr)
	assert.Equal(t, 1, strings.Count(stderr, "\n"))

	again := l.serve("box-1", "  web: {}\n")
	code, _, _ = l.run("box-1", "graph")
	assert.Equal(t, 0, code, "the next one is found")
	again.Signal(syscall.SIGSTOP)
	code, _, stderr = l.run("box-1", "status", "--timeout", "300ms")
	assert.Equal(t, 69, code)
	assert.Contains(t, stderr, "doesn't answer within 300 ms: is it frozen?")
	again.Signal(syscall.SIGCONT)

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, listener.Close())
	code, _, stderr = l.run("x", "status", "--addr", listener.Addr().String())
	assert.Equal(t, 69, code)
	assert.Contains(t, stderr, "doesn't answer")
	code, _, stderr = l.run("x", "status", "--addr", "127.0.0.1")
	assert.Equal(t, 78, code)
	assert.Contains(t, stderr, "want HOST:PORT")
}

func number(n int) string { return strconv.Itoa(n) }
