package commands_test

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/cmd/agent/engines/enginestest"
	"github.com/muster-go/muster/internal/proctest"
)

// pollTime is how often tests look again at what can't be waited for.
const pollTime = 20 * time.Millisecond

// shell is the command line of a guarded command that says with which token it leads.
var shell = []string{"--", "sh", "-c", "echo leads $MUSTER_TOKEN; exec sleep 999"}

// lab is a store that the tests of one engine share, each with an election of its own.
type lab struct {
	t     *testing.T
	store *enginestest.Store
	url   string
}

func TestEveryCommandOnEveryEngine(t *testing.T) {
	for _, engine := range enginestest.Engines() {
		t.Run(engine.Name, func(t *testing.T) {
			t.Parallel()
			store := engine.Start(t)
			for _, part := range []struct {
				name string
				test func(*lab)
			}{
				{"agent run without a TTL runs its command and gives its exit code", (*lab).testRun},
				{"agent election ls, show, watch and resign", (*lab).testElection},
				{"agent dev tells what to type, and typing it works", (*lab).testDev},
				{"agent serve, status and graph", (*lab).testServe},
				{"what is wrong is said in one line, with its mend", (*lab).testFaults},
			} {
				t.Run(part.name, func(t *testing.T) { part.test(&lab{t: t, store: store, url: store.FreshURL(t)}) })
			}
		})
	}
}

func (l *lab) start(args ...string) *enginestest.Agent {
	l.t.Helper()
	return enginestest.Start(l.t, l.url, args...)
}

func (l *lab) run(args ...string) *enginestest.Agent {
	l.t.Helper()
	return enginestest.Run(l.t, l.url, args...)
}

// campaign starts an agent run for an election. Without further flags its TTL is the default one, so
// that a busy machine doesn't cost it its lease.
func (l *lab) campaign(election, node string, flags ...string) *enginestest.Agent {
	l.t.Helper()
	return l.start(slices.Concat([]string{"run", election, "--node", node, "-o", "json"}, flags, shell)...)
}

func (l *lab) testRun() {
	p := l.run("run", "short", "--node", "box-1", "--", "sh", "-c", "echo $MUSTER_ELECTION $MUSTER_NODE $MUSTER_TOKEN; exit 3")
	assert.Equal(l.t, 3, p.Wait(), p.Err)
	assert.Regexp(l.t, `^short box-1 \d+\n$`, p.Out.String())
	assert.Equal(l.t, 1, l.run("election", "show", "short").Wait(), "it gave the leadership up")

	first := l.campaign("short", "box-1")
	first.Said(first.Out, `leads \d+`)
	late := l.run("run", "short", "--wait", "300ms", "--", "true")
	assert.Equal(l.t, 75, late.Wait())
	first.Signal(syscall.SIGTERM)
	assert.Equal(l.t, 143, first.Wait())
}

func (l *lab) testElection() {
	watch := l.start("election", "watch", "standing", "-o", "json")
	watch.Said(watch.Out, `"event":"vacant"`)
	first := l.campaign("standing", "box-1")
	first.Said(first.Out, `leads \d+`)
	second := l.campaign("standing", "box-2")
	second.Said(second.Err, `"event":"waiting"`)
	watch.Said(watch.Out, `"event":"joined".*"holder":"box-2"`)

	assert.Regexp(l.t, `(?m)^standing +box-1 +\d+ +[\d.]+s +1$`, l.run("election", "ls").Out.String())
	var listed []struct {
		Name    string
		Leader  enginestest.Candidate
		Waiting int
	}
	require.NoError(l.t, json.Unmarshal([]byte(l.run("election", "ls", "-o", "json").Out.String()), &listed))
	require.Len(l.t, listed, 1)
	assert.Equal(l.t, 1, listed[0].Waiting)
	shown := enginestest.Candidates(l.t, l.url, "standing")
	require.Len(l.t, shown, 2)
	assert.Equal(l.t, listed[0].Leader, shown[0])
	assert.Equal(l.t, enginestest.Candidate{Holder: "box-2", PID: second.PID(), TTL: 15}, shown[1])
	assert.Eventually(l.t, func() bool { // a shell doesn't wait for long, and gets nothing then
		return l.run("__complete", "election", "show", "st").Out.String() == "standing\n:4\n"
	}, proctest.Patience, pollTime, "the elections as completions")

	resigned := l.run("election", "resign", "standing", "-o", "json")
	require.Equal(l.t, 0, resigned.Wait(), resigned.Err)
	events := enginestest.Events(l.t, resigned.Out)
	require.Len(l.t, events, 1)
	assert.Equal(l.t, "resigned", events[0].Event)
	assert.Equal(l.t, "box-2", events[0].Holder)
	assert.Greater(l.t, events[0].Token, shown[0].Token)
	watch.Said(watch.Out, `"event":"leader".*"holder":"box-2"`)
	second.Said(second.Out, `leads \d+`)
	for _, p := range []*enginestest.Agent{second, first} {
		p.Signal(syscall.SIGTERM)
		assert.Equal(l.t, 143, p.Wait())
	}
	watch.Signal(syscall.SIGINT)
	assert.Equal(l.t, 130, watch.Wait())
}

// get asks a server of the agent's.
func get(t *testing.T, url string) (code int, body string) {
	t.Helper()
	response, err := http.Get(url)
	require.NoError(t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return response.StatusCode, string(text)
}

func (l *lab) testDev() {
	asJSON := l.start("dev", "--addr", "127.0.0.1:0", "-o", "json")
	asJSON.Said(asJSON.Out, `"event":"ready"`)
	ready := enginestest.Events(l.t, asJSON.Out)[0]
	code, _ := get(l.t, ready.URL+"/readyz")
	assert.Equal(l.t, 200, code)
	_, metrics := get(l.t, ready.URL+"/metrics")
	assert.Contains(l.t, metrics, "muster_store_requests_total{")

	dev := l.start("dev", "--addr", "127.0.0.1:0")
	hint := dev.Said(dev.Out, `^  (\S+ run hello .*)$`)[1]
	assert.Contains(l.t, hint, " --store ")
	typed := enginestest.StartShell(l.t, hint)
	token := typed.Said(typed.Out, `I lead with token (\d+)`)[1]
	dev.Said(dev.Out, `leads hello with token `+token)
	asJSON.Said(asJSON.Out, `"event":"leader".*"token":`+token)
	typed.Signal(syscall.SIGTERM)
	assert.Equal(l.t, 143, typed.Wait())
	dev.Said(dev.Out, `leads hello no more \(token `+token)
	for _, p := range []*enginestest.Agent{dev, asJSON} {
		p.Signal(syscall.SIGINT)
		assert.Equal(l.t, 0, p.Wait())
	}
}

func (l *lab) testServe() {
	dir := l.t.TempDir()
	path := filepath.Join(dir, "muster.yaml")
	configure := func(elections string) {
		text := "listen: 127.0.0.1:0\nstate-dir: " + dir + "\nstore: " + l.url + "\nelections:\n" + elections
		require.NoError(l.t, os.WriteFile(path, []byte(text), 0o600))
	}
	configure("  served: {run: [sh, -c, 'echo leads $MUSTER_TOKEN; exec sleep 999']}\n  web: {}\n")
	l.url = "" // the file names it
	assert.Equal(l.t, 0, l.run("serve", "-c", path, "--check").Wait())
	daemon := l.start("serve", "-c", path, "--node", "box-1")
	daemon.Said(daemon.Out, `leads \d+`)

	var status struct {
		Ready     bool
		Node, URL string
		Elections []struct {
			Name    string
			Leads   bool
			Command struct{ PID int }
		}
	}
	require.Eventually(l.t, func() bool {
		p := l.run("status", "--state-dir", dir, "-o", "json")
		require.NoError(l.t, json.Unmarshal([]byte(p.Out.String()), &status), p.Err)
		return status.Ready && len(status.Elections) == 2 && status.Elections[0].Leads && status.Elections[1].Leads
	}, proctest.Patience, pollTime, "ready, and the leader of both")
	assert.Equal(l.t, "box-1", status.Node)
	assert.NotZero(l.t, status.Elections[0].Command.PID)
	assert.Regexp(l.t, `served +box-1|served`, l.run("status", "--state-dir", dir).Out.String())
	assert.Contains(l.t, l.run("graph", "--state-dir", dir).Out.String(), "served")
	assert.True(l.t, json.Valid([]byte(l.run("graph", "--state-dir", dir, "-o", "json").Out.String())))
	for page, want := range map[string]int{"/livez": 200, "/readyz": 200, "/leader/web": 200, "/leader/nobody": 404, "/v1/status": 200} {
		code, _ := get(l.t, strings.TrimSuffix(status.URL, "/")+page)
		assert.Equal(l.t, want, code, page)
	}

	configure("  web: {}\n")
	daemon.Signal(syscall.SIGHUP)
	require.Eventually(l.t, func() bool {
		return strings.Contains(l.run("status", "--state-dir", dir).Out.String(), "web") &&
			!strings.Contains(l.run("status", "--state-dir", dir).Out.String(), "served")
	}, proctest.Patience, pollTime, "the new configuration")
	daemon.Signal(syscall.SIGTERM)
	assert.Equal(l.t, 0, daemon.Wait())
}
