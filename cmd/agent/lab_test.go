package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/internal/etcdtest"
	"github.com/muster-go/muster/internal/proctest"
)

// patience bounds every wait of these tests.
const patience = proctest.Patience

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

// process is an agent.
type process struct {
	proctest.Process
	stdin  string
	stdout *proctest.Output
	stderr *proctest.Output
}

// command makes an agent that isn't started yet.
func (l *lab) command(args ...string) *process {
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), agentEnv+"=1", "XDG_STATE_HOME="+l.state, "MUSTER_STORE=", "MUSTER_NODE=")
	cmd.Env = append(cmd.Env, l.env...)
	p := &process{
		Process: proctest.Process{T: l.t, Cmd: cmd, Name: "agent"},
		stdout:  new(proctest.Output),
		stderr:  new(proctest.Output),
	}
	cmd.Stdout, cmd.Stderr = p.stdout, p.stderr
	return p
}

// start starts an agent; it is killed at the end of the test at the latest.
func (l *lab) start(args ...string) *process {
	l.t.Helper()
	return l.command(args...).start()
}

func (p *process) start() *process {
	p.T.Helper()
	if p.stdin != "" {
		p.Cmd.Stdin = strings.NewReader(p.stdin)
	}
	p.Start()
	return p
}

// run starts an agent and waits for its end.
func (l *lab) run(args ...string) *process {
	l.t.Helper()
	p := l.start(args...)
	p.Wait()
	return p
}

// leads waits until the agent says that it leads, and gives its token.
func (p *process) leads(offset int) uint64 {
	p.T.Helper()
	return number(p.T, p.SaidAfter(p.stderr, offset, `leading \S+ with token (\d+)`)[1])
}

func number(t testing.TB, text string) uint64 {
	t.Helper()
	n, err := strconv.ParseUint(text, 10, 64)
	require.NoError(t, err)
	return n
}
