package main

import (
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/internal/servertest"
	"github.com/muster-go/muster/internal/stamptest"
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
	for node, word := range map[string]string{"meek": "", "stubborn": stamptest.Stubborn} {
		d.faults[node] = filepath.Join(t.TempDir(), "fault")
		env := []string{faultEnv + "=" + d.faults[node]}
		if l.etcd != nil {
			d.lines[node] = servertest.NewProxy(t, l.etcd.Endpoint())
			env = append(env, onEtcd(d.lines[node].Endpoint()))
		}
		d.agents[node] = l.with(env...).start(arguments(node, []string{stamptest.Word, d.folder, word})...)
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

// lives are the notes of all commands so far, in the order of their beginnings.
func (d *duel) lives() []stamptest.Life {
	d.lab.t.Helper()
	return stamptest.Lives(d.lab.t, d.folder)
}

// runs waits until the command of another node than the given one runs, and says whose.
func (d *duel) runs(notOf string, limit time.Duration) (node string, ok bool) {
	d.lab.t.Helper()
	for late := time.After(limit); ; {
		if lives := d.lives(); len(lives) > 0 {
			if latest := lives[len(lives)-1]; latest.Node != notOf && latest.Alive() {
				return latest.Node, true
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
	stamptest.Verify(d.lab.t, d.folder, atLeast)
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
