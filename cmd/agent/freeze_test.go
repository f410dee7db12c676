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

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// duel is two agents whose commands note when they begin and when they last lived. One of the
// commands ignores every signal that can be ignored.
type duel struct {
	lab    *lab
	folder string // of the notes
	hang   [2]string
	agents [2]*process
	leader int
}

func newDuel(t *testing.T) *duel {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux has the guardian that acts for a frozen agent")
	}
	l := newLab(t)
	d := &duel{lab: l, folder: t.TempDir()}
	for i, word := range []string{"", "stubborn"} {
		d.hang[i] = filepath.Join(t.TempDir(), "hang")
		d.agents[i] = l.with(faultEnv + "=" + d.hang[i]).start(append([]string{"run", "duel", "--ttl", "1s", "--node", fmt.Sprint("box-", i)},
			self("helper-stamp", d.folder, word)...)...)
		if i == 0 {
			d.began(d.agents[0].leads(0))
		}
	}
	d.agents[1].said(d.agents[1].stderr, "waiting for box-0")
	return d
}

// round lets strike befall the leader, waits until the other leads, and lets heal undo it.
func (d *duel) round(strike, heal func(leader int)) {
	d.lab.t.Helper()
	old, next := d.agents[d.leader], d.agents[1-d.leader]
	oldSaid, nextSaid := old.stderr.len(), next.stderr.len()
	strike(d.leader)
	token := next.leads(nextSaid)
	d.began(token)
	heal(d.leader)
	old.saidAfter(old.stderr, oldSaid, "lost the leadership")
	old.saidAfter(old.stderr, oldSaid, fmt.Sprintf(`waiting for \S+ \(token %d\)`, token))
	d.leader = 1 - d.leader
}

// began waits until the command of a term has left its note.
func (d *duel) began(token uint64) {
	d.lab.t.Helper()
	require.Eventually(d.lab.t, func() bool {
		_, err := os.Stat(filepath.Join(d.folder, fmt.Sprintf("%d.start", token)))
		return err == nil
	}, patience, pollTime)
}

// verify checks that the commands' lives did not overlap.
func (d *duel) verify(terms int) {
	d.lab.t.Helper()
	type life struct {
		token       uint64
		start, last int64
	}
	var lives []life
	names, err := filepath.Glob(filepath.Join(d.folder, "*.start"))
	require.NoError(d.lab.t, err)
	for _, name := range names {
		text, err := os.ReadFile(name)
		require.NoError(d.lab.t, err)
		fields := strings.Split(strings.TrimSuffix(string(text), "\n"), " ")
		assert.Empty(d.lab.t, fields[2], "commands of other terms that lived when that of %s began", name)
		last, err := os.ReadFile(strings.TrimSuffix(name, ".start") + ".alive")
		require.NoError(d.lab.t, err)
		lives = append(lives, life{
			token: number(d.lab.t, strings.TrimSuffix(filepath.Base(name), ".start")),
			start: int64(number(d.lab.t, fields[1])), last: int64(binary.LittleEndian.Uint64(last)),
		})
	}
	assert.GreaterOrEqual(d.lab.t, len(lives), terms)
	slices.SortFunc(lives, func(a, b life) int { return cmp.Compare(a.token, b.token) })
	for i := range lives[1:] {
		assert.Less(d.lab.t, lives[i].last, lives[i+1].start, "token %d's command lived when token %d's began", lives[i].token, lives[i+1].token)
	}
}

func TestTheCommandOfAFrozenAgentIsDeadBeforeTheNextOneStarts(t *testing.T) {
	d := newDuel(t)
	for range tries() {
		d.round(
			func(i int) { d.agents[i].signal(syscall.SIGSTOP) },
			func(i int) { d.agents[i].signal(syscall.SIGCONT) },
		)
	}
	d.verify(tries() + 1)
}

func TestTheCommandIsDeadBeforeTheNextOneStartsWhenEveryStoreCallHangs(t *testing.T) {
	d := newDuel(t)
	for range tries() {
		d.round(
			func(i int) { require.NoError(t, os.WriteFile(d.hang[i], []byte(hangs), 0o600)) },
			func(i int) { require.NoError(t, os.Remove(d.hang[i])) },
		)
	}
	d.verify(tries() + 1)
}
