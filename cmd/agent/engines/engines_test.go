package engines_test

import (
	"os"
	"runtime"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/cmd/agent/engines/enginestest"
	"github.com/muster-go/muster/internal/stamptest"
)

// busy is what a machine may need beyond what is stated, to run processes. One whose cores are all
// busy may need more, but not always.
const busy = 3 * time.Second

// rounds is how many leaders are killed, and how many frozen, on each engine: 1, or what MUSTER_TRIES says.
func rounds(t *testing.T) int {
	text := os.Getenv("MUSTER_TRIES")
	if text == "" {
		return 1
	}
	n, err := strconv.Atoi(text)
	require.NoError(t, err, "MUSTER_TRIES")
	return n
}

func TestEngines(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux has the guardian that acts for a frozen agent")
	}
	for _, engine := range enginestest.Engines() {
		t.Run(engine.Name, func(t *testing.T) {
			t.Parallel()
			store := engine.Start(t)
			t.Run("a leader is killed: the next leads within what was stated, with a greater token", func(t *testing.T) { testKilled(t, store) })
			t.Run("the store stops for longer than the TTL: then one leads, and never two", func(t *testing.T) { testStopped(t, store) })
			t.Run("a leader's connection freezes: its command is dead before the next begins", func(t *testing.T) { testFrozen(t, store) })
		})
	}
}

func testKilled(t *testing.T, store *enginestest.Store) {
	d := newTrio(t, store, "killed")
	n := rounds(t)
	for tries, shown := 0, 0; shown < n; tries++ {
		require.Less(t, tries, 6+n, "again and again the next leader came later than stated")
		stated := d.stated()
		leader := d.leads(0, "")
		killed := stamptest.Now()
		d.kill(leader.Node)
		next := d.leads(killed, leader.Node)
		took := time.Duration(next.Start - killed)
		t.Logf("%s leads after %v; stated were %v", next.Node, took, stated)
		if took < stated+busy {
			shown++
		}
		d.stand(leader.Node)
	}
	stamptest.Verify(t, d.folder, 1+n)
}

func testStopped(t *testing.T, store *enginestest.Store) {
	d := newTrio(t, store, "stopped")
	d.leads(0, "")
	store.Stop()
	d.nobody()
	// Now its lease has passed; let the sessions of the others pass too.
	<-time.After(store.Engine.TTL)
	stamptest.Verify(t, d.folder, 1)
	started := stamptest.Now()
	store.Start()
	next := d.leads(started, "")
	t.Logf("%s leads %v after the store was started", next.Node, time.Duration(next.Start-started))
	d.oneLeads(3)
	stamptest.Verify(t, d.folder, 2)
}

func testFrozen(t *testing.T, store *enginestest.Store) {
	d := newTrio(t, store, "frozen")
	n := rounds(t)
	for tries, shown := 0, 0; shown < n; tries++ {
		require.Less(t, tries, 8+n, "again and again nobody took over")
		leader := d.leads(0, "")
		frozen, limit := stamptest.Now(), patience
		freeze, thaw := d.lines[leader.Node].Freeze, d.lines[leader.Node].Thaw
		if !store.Remote() {
			// No connection can freeze, but the agent can. One that freezes in the middle of a write keeps the
			// file locked: nobody leads until it goes on. That try shows nothing, and there is another one.
			limit = 10 * time.Second
			agent := d.agents[leader.Node]
			freeze, thaw = func() { agent.Signal(syscall.SIGSTOP) }, func() { agent.Signal(syscall.SIGCONT) }
		}
		freeze()
		next, ok := d.leadsWithin(limit, frozen, leader.Node)
		thaw()
		if ok {
			shown++
			t.Logf("%s leads after %v", next.Node, time.Duration(next.Start-frozen))
		}
	}
	d.oneLeads(3)
	stamptest.Verify(t, d.folder, 1+n)
}
