package enginestest

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/internal/proctest"
	"github.com/muster-go/muster/internal/servertest"
	"github.com/muster-go/muster/internal/stamptest"
)

// Main is the TestMain of packages that run agents: their test binary is also the command that the
// agents run (stamptest.Word).
func Main(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == stamptest.Word {
		stamptest.Command(os.Args[2], os.Args[3:]...)
	}
	servertest.VerifyTestMain(m, binary.remove)
}

// binary is the agent, built once when the first test needs it.
var binary agentBinary

type agentBinary struct {
	once   sync.Once
	folder string
	err    error
}

func (b *agentBinary) path() (string, error) {
	b.once.Do(func() {
		if b.folder, b.err = os.MkdirTemp("", "muster-test-agent-"); b.err != nil {
			return
		}
		args := slices.Concat([]string{"build", "-o", b.folder}, buildFlags, []string{"github.com/muster-go/muster/cmd/agent"})
		out, err := exec.Command("go", args...).CombinedOutput()
		if err != nil {
			b.err = fmt.Errorf("building the agent: %w: %s", err, out)
		}
	})
	return filepath.Join(b.folder, "agent"), b.err
}

func (b *agentBinary) remove() {
	if b.folder != "" {
		_ = os.RemoveAll(b.folder)
	}
}

// Agent is a running agent.
type Agent struct {
	proctest.Process
	Out, Err *proctest.Output
}

// Start starts the agent with the store at the URL; it is killed at the end of the test at the latest.
func Start(t testing.TB, storeURL string, args ...string) *Agent {
	t.Helper()
	path, err := binary.path()
	require.NoError(t, err)
	return start(t, exec.Command(path, args...), "MUSTER_STORE="+storeURL)
}

func start(t testing.TB, cmd *exec.Cmd, env string) *Agent {
	t.Helper()
	a := &Agent{Out: new(proctest.Output), Err: new(proctest.Output)}
	a.Process = proctest.Process{T: t, Name: "agent", Cmd: cmd}
	cmd.Env = append(os.Environ(), env, "MUSTER_NODE=", "XDG_STATE_HOME="+t.TempDir())
	cmd.Stdout, cmd.Stderr = a.Out, a.Err
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is for the test, which ends it
	a.Process.Start()
	return a
}

// Run starts the agent and waits for its end.
func Run(t testing.TB, storeURL string, args ...string) *Agent {
	t.Helper()
	a := Start(t, storeURL, args...)
	a.Wait()
	return a
}

// Event is a line that the agent printed with -o json.
type Event struct {
	Event, Text, Election, Holder string
	Token                         uint64
	PID                           int
	AtMost                        float64 `json:"at_most"`
	URL, Store                    string
}

// Events are the lines of JSON in an output. Of other lines there must be none but the log's.
func Events(t testing.TB, o *proctest.Output) []Event {
	t.Helper()
	var events []Event
	text := o.String()
	for line := range strings.Lines(text[:strings.LastIndexByte(text, '\n')+1]) {
		if strings.HasPrefix(line, "time=") {
			continue
		}
		var e Event
		require.NoError(t, json.Unmarshal([]byte(line), &e), line)
		events = append(events, e)
	}
	return events
}

// Candidate is a row of agent election show -o json.
type Candidate struct {
	Holder           string
	Token            uint64
	PID              int
	TTL              float64
	Leads, Confirmed bool
}

// Candidates are those of an election, as the agent shows them.
func Candidates(t testing.TB, storeURL, election string) []Candidate {
	t.Helper()
	a := Run(t, storeURL, "election", "show", election, "-o", "json")
	var shown struct{ Candidates []Candidate }
	require.NoError(t, json.Unmarshal([]byte(a.Out.String()), &shown), "%s%s", a.Out, a.Err)
	return shown.Candidates
}

// StartShell starts a line of shell that the agent told to type.
func StartShell(t testing.TB, line string) *Agent {
	t.Helper()
	return start(t, exec.Command("sh", "-c", "exec "+line), "MUSTER_STORE=")
}
