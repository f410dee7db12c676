package engines_test

import (
	"os"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/cmd/agent/engines/enginestest"
	"github.com/muster-go/muster/internal/proctest"
	"github.com/muster-go/muster/internal/stamptest"
)

// pollTime is how often tests look again at what can't be waited for.
const pollTime = 25 * time.Millisecond

// patience bounds every wait: several stores are served and used at the same time here.
const patience = 2 * proctest.Patience

// trio is three agents that stand for one election, each with a line of its own to the store. Their
// commands note when they lived; those of one ignore every signal that can be ignored. On a busy
// machine any of them may lose the leadership at any time, without anybody's doing.
type trio struct {
	t        testing.TB
	store    *enginestest.Store
	election string
	folder   string // of the notes
	agents   map[string]*enginestest.Agent
	lines    map[string]*enginestest.Line
}

func newTrio(t testing.TB, store *enginestest.Store, election string) *trio {
	d := &trio{
		t: t, store: store, election: election, folder: t.TempDir(),
		agents: map[string]*enginestest.Agent{}, lines: map[string]*enginestest.Line{},
	}
	for _, node := range []string{"box-1", "box-2", stubborn} {
		d.stand(node)
	}
	return d
}

// stubborn is the node whose commands ignore every signal that can be ignored.
const stubborn = "box-3"

// stand starts the node's agent.
func (d *trio) stand(node string) {
	d.t.Helper()
	if d.lines[node] == nil {
		d.lines[node] = d.store.Line(d.t)
	}
	args := []string{"run", d.election, "--ttl", d.store.Engine.TTL.String(), "--node", node, "-o", "json", "--", os.Args[0], stamptest.Word, d.folder}
	if node == stubborn {
		args = append(args, stamptest.Stubborn)
	}
	d.agents[node] = enginestest.Start(d.t, d.lines[node].URL, args...)
}

// leads waits until a command runs that began after the given moment (stamptest.Now) and is not the
// given node's.
func (d *trio) leads(after int64, notOf string) stamptest.Life {
	d.t.Helper()
	l, ok := d.leadsWithin(patience, after, notOf)
	require.True(d.t, ok, "nobody leads; commands so far: %+v", stamptest.Lives(d.t, d.folder))
	return l
}

// leadsWithin is leads, with a limit of its own, and false when that has passed.
func (d *trio) leadsWithin(limit time.Duration, after int64, notOf string) (stamptest.Life, bool) {
	d.t.Helper()
	for late := time.After(limit); ; {
		lives := stamptest.Lives(d.t, d.folder)
		if len(lives) > 0 {
			if l := lives[len(lives)-1]; l.Start > after && l.Node != notOf && l.Alive() {
				return l, true
			}
		}
		for node, a := range d.agents {
			select {
			case <-a.Done():
				require.FailNow(d.t, "an agent ended", "%s: %v", node, a.Cmd.ProcessState)
			default:
			}
		}
		select {
		case <-late:
			return stamptest.Life{}, false
		case <-time.After(pollTime):
		}
	}
}

// nobody waits until no command runs.
func (d *trio) nobody() {
	d.t.Helper()
	require.Eventually(d.t, func() bool {
		lives := stamptest.Lives(d.t, d.folder)
		return len(lives) > 0 && !lives[len(lives)-1].Alive()
	}, patience, pollTime, "a command outlived its leadership")
}

// kill kills an agent, as a crash of its own does.
func (d *trio) kill(node string) {
	a := d.agents[node]
	delete(d.agents, node)
	a.Signal(syscall.SIGKILL)
}

// stated waits until all who don't lead have said that they wait, and gives the longest time that
// they say it takes once the leader stops answering. It is the same for all leaders.
func (d *trio) stated() time.Duration {
	d.t.Helper()
	var stated time.Duration
	require.Eventually(d.t, func() bool {
		wait := 0
		for _, a := range d.agents {
			events := enginestest.Events(d.t, a.Err)
			if i := slices.IndexFunc(events, func(e enginestest.Event) bool { return e.Event == "waiting" }); i >= 0 {
				wait++
				stated = time.Duration(events[i].AtMost * float64(time.Second))
			}
		}
		return wait >= len(d.agents)-1
	}, patience, pollTime, "not all others wait")
	return stated
}

// oneLeads waits until the store shows so many candidates, one of which leads and knows it, and
// checks that the others wait.
func (d *trio) oneLeads(candidates int) {
	d.t.Helper()
	require.Eventually(d.t, func() bool {
		shown := enginestest.Candidates(d.t, d.store.URL(d.t), d.election)
		leaders, known := 0, 0
		for _, c := range shown {
			if c.Leads {
				leaders++
			}
			if c.Confirmed {
				known++
			}
		}
		assert.LessOrEqual(d.t, known, 1, "%+v", shown)
		assert.LessOrEqual(d.t, leaders, 1, "%+v", shown)
		return len(shown) == candidates && known == 1
	}, patience, 200*time.Millisecond, "not one leader of %d candidates", candidates)
}
