package main

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/internal/servertest"
)

// duel is two agents whose commands note when they begin and when they last lived. One of the
// commands ignores every signal that can be ignored. On a busy machine either may lose the
// leadership at any time, without anybody's doing.
type duel struct {
	lab    *lab
	folder string // of the notes
	faults map[string]string
	lines  map[string]*servertest.Proxy // to a store on etcd
	agents map[string]*process
}

// newDuel has the agents run their commands by agent run.
func newDuel(t *testing.T, l *lab) *duel {
	return newDuelOf(t, l, func(node string, words []string) []string {
		return append([]string{"run", "duel", "--ttl", l.shortTTL(), "--node", node}, self(words...)...)
	})
}

// newDuelOf has the agents run their commands, of the given words, as arguments says.
func newDuelOf(t *testing.T, l *lab, arguments func(node string, words []string) []string) *duel {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux has the guardian that acts for a frozen agent")
	}
	d := &duel{
		lab: l, folder: t.TempDir(),
		faults: map[string]string{}, lines: map[string]*servertest.Proxy{}, agents: map[string]*process{},
	}
	for node, word := range map[string]string{"meek": "", "stubborn": "stubborn"} {
		d.faults[node] = filepath.Join(t.TempDir(), "fault")
		env := []string{faultEnv + "=" + d.faults[node]}
		if l.etcd != nil {
			d.lines[node] = servertest.NewProxy(t, l.etcd.Endpoint())
			env = append(env, onEtcd(d.lines[node].Endpoint()))
		}
		d.agents[node] = l.with(env...).start(arguments(node, []string{"helper-stamp", d.folder, word})...)
	}
	return d
}

// round lets strike befall the agent whose command runs, waits until the other's runs, and lets heal
// undo it. It says whether the other's ran within the limit.
func (d *duel) round(limit time.Duration, strike, heal func(node string)) bool {
	d.lab.t.Helper()
	struck, ok := d.runs("", patience)
	require.True(d.lab.t, ok, "a command runs; so far: %+v", d.lives())
	strike(struck)
	_, ok = d.runs(struck, limit)
	heal(struck)
	return ok
}

// life is the note that a command left.
type life struct {
	token       uint64
	pid         int
	start, last int64
	node        string
	neighbours  string // the commands that lived when it began
}

// lives are the notes of all commands so far, in the order of their beginnings.
func (d *duel) lives() []life {
	d.lab.t.Helper()
	names, err := filepath.Glob(filepath.Join(d.folder, "*.start"))
	require.NoError(d.lab.t, err)
	var lives []life
	for _, name := range names {
		text, err := os.ReadFile(name)
		require.NoError(d.lab.t, err)
		fields := strings.Split(strings.TrimSuffix(string(text), "\n"), " ")
		last, err := os.ReadFile(strings.TrimSuffix(name, ".start") + ".alive")
		require.NoError(d.lab.t, err)
		l := life{
			pid: int(number(d.lab.t, fields[0])), start: int64(number(d.lab.t, fields[1])), node: fields[2], neighbours: fields[3],
		}
		_, err = fmt.Sscanf(filepath.Base(name), "%d-", &l.token)
		require.NoError(d.lab.t, err)
		if len(last) == 8 { // it may not have come to its first stamp
			l.last = int64(binary.LittleEndian.Uint64(last))
		}
		lives = append(lives, l)
	}
	slices.SortFunc(lives, func(a, b life) int { return cmp.Compare(a.start, b.start) })
	return lives
}

// runs waits until the command of another node than the given one runs, and says whose.
func (d *duel) runs(notOf string, limit time.Duration) (node string, ok bool) {
	d.lab.t.Helper()
	for late := time.After(limit); ; {
		if lives := d.lives(); len(lives) > 0 {
			if latest := lives[len(lives)-1]; latest.node != notOf && alive(latest.pid) {
				return latest.node, true
			}
		}
		for _, p := range d.agents {
			select {
			case <-p.Done():
				require.FailNow(d.lab.t, "an agent ended", "%v", p.Cmd.ProcessState)
			default:
			}
		}
		select {
		case <-late:
			return "", false
		case <-time.After(pollTime):
		}
	}
}

// verify checks that the commands' lives did not overlap.
func (d *duel) verify(atLeast int) {
	d.lab.t.Helper()
	lives := d.lives()
	assert.GreaterOrEqual(d.lab.t, len(lives), atLeast)
	for i, l := range lives {
		assert.Empty(d.lab.t, l.neighbours, "commands that lived when that of token %d began", l.token)
		if i > 0 {
			assert.Less(d.lab.t, lives[i-1].token, l.token, "tokens rise")
			assert.Less(d.lab.t, lives[i-1].last, l.start, "token %d's command lived when token %d's began", lives[i-1].token, l.token)
		}
	}
}

func TestTheCommandOfAFrozenAgentIsDeadBeforeTheNextOneStarts(t *testing.T) {
	onEachStore(t, func(t *testing.T, l *lab) {
		d := newDuel(t, l)
		for range tries() {
			// An agent that is frozen in the middle of a write keeps the SQLite file locked: nobody leads
			// until it goes on. That try shows nothing, and there is another one.
			require.True(t, slices.ContainsFunc(make([]struct{}, 10), func(struct{}) bool {
				return d.round(10*time.Second,
					func(node string) { d.agents[node].Signal(syscall.SIGSTOP) },
					func(node string) { d.agents[node].Signal(syscall.SIGCONT) },
				)
			}), "ten times nobody took over; commands so far: %+v", d.lives())
		}
		d.verify(tries() + 1)
	})
}

func TestTheCommandIsDeadBeforeTheNextOneStartsWhenEveryStoreCallHangs(t *testing.T) {
	onEachStore(t, func(t *testing.T, l *lab) {
		d := newDuel(t, l)
		for range tries() {
			require.True(t, d.round(patience,
				func(node string) { require.NoError(t, os.WriteFile(d.faults[node], []byte(hangs), 0o600)) },
				func(node string) { require.NoError(t, os.Remove(d.faults[node])) },
			), "nobody took over; commands so far: %+v", d.lives())
		}
		d.verify(tries() + 1)
	})
}

func TestTheCommandIsDeadBeforeTheNextOneStartsWhenEtcdIsABlackHole(t *testing.T) {
	d := newDuel(t, newEtcdLab(t))
	for range tries() {
		require.True(t, d.round(patience,
			func(node string) { d.lines[node].BlackHole() },
			func(node string) { d.lines[node].Heal() },
		), "nobody took over; commands so far: %+v", d.lives())
	}
	d.verify(tries() + 1)
}
