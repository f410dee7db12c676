package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// newDuelOfDaemons has the agents run their commands by agent serve; see its own tests in
// internal/daemon for what doesn't depend on the store.
func newDuelOfDaemons(t *testing.T, l *lab) *duel {
	return newDuelOf(t, l, func(node string, words []string) []string {
		run, err := json.Marshal(append([]string{os.Args[0]}, words...))
		require.NoError(t, err)
		dir := t.TempDir()
		path := filepath.Join(dir, "muster.yaml")
		text := fmt.Sprintf("listen: 127.0.0.1:0\nelections: {duel: {ttl: %s, run: %s}}\n", l.shortTTL(), run)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		return []string{"serve", "-c", path, "--node", node, "--state-dir", dir}
	})
}

func TestTheCommandOfADaemonIsDeadBeforeTheNextOneStarts(t *testing.T) {
	d := newDuelOfDaemons(t, newEtcdLab(t))
	rounds := 0
	fight := func(strike, heal func(node string)) {
		t.Helper()
		rounds++
		require.True(t, d.round(patience, strike, heal), "nobody took over; commands so far: %+v", d.lives())
	}
	for range max(1, tries()/3) { // two rounds each
		fight(func(node string) { d.agents[node].Signal(syscall.SIGSTOP) },
			func(node string) { d.agents[node].Signal(syscall.SIGCONT) })
		fight(func(node string) { d.lines[node].BlackHole() },
			func(node string) { d.lines[node].Heal() })
	}
	// The last one is killed, and its successor asked to end.
	struck, ok := d.runs("", patience)
	require.True(t, ok)
	killed := d.agents[struck]
	delete(d.agents, struck)
	killed.Signal(syscall.SIGKILL)
	last, ok := d.runs(struck, patience)
	require.True(t, ok, "nobody took over; commands so far: %+v", d.lives())
	d.agents[last].Signal(syscall.SIGTERM)
	assert.Equal(t, 0, d.agents[last].Wait())
	d.verify(rounds + 2)
}
