package main

import (
	"context"
	"database/sql"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/internal/stamptest"
)

// took waits until a command runs that began after the given moment, and so that somebody leads
// again.
func (d *duel) took(after int64) {
	d.lab.t.Helper()
	require.Eventually(d.lab.t, func() bool {
		lives := d.lives()
		return len(lives) > 0 && lives[len(lives)-1].Start > after && lives[len(lives)-1].Alive()
	}, patience, pollTime, "nobody leads any more")
}

// What befalls the file of the store under living agents makes no second leader, and all goes on
// when it is over.
func TestAStoreFileThatIsTakenAwayMakesNoSecondLeader(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a while: left out by -short")
	}
	d := newDuel(t, newLab(t))
	d.took(0)
	folder := filepath.Join(d.lab.state, "muster")
	path := filepath.Join(folder, "muster.db")
	must := func(err error) { t.Helper(); require.NoError(t, err) }
	for _, fault := range []struct {
		name string
		do   func()
	}{
		{"the file is deleted", func() {
			for _, suffix := range []string{"", "-wal", "-shm"} {
				if err := os.Remove(path + suffix); err != nil {
					require.ErrorIs(t, err, os.ErrNotExist) // an agent was quick to make a new one
				}
			}
		}},
		{"the file and its lock are deleted", func() {
			for _, suffix := range []string{"", "-wal", "-shm", ".lock"} {
				if err := os.Remove(path + suffix); err != nil {
					require.ErrorIs(t, err, os.ErrNotExist)
				}
			}
		}},
		{"the folder is moved away", func() { must(os.Rename(folder, filepath.Join(t.TempDir(), "away"))) }},
		{"the file is replaced by something else", func() {
			other := filepath.Join(t.TempDir(), "other")
			must(os.WriteFile(other, make([]byte, 8192), 0o600))
			must(os.Rename(other, path))
			waitUntilNobodyRuns(d)
			must(os.Remove(path))
		}},
		{"the file is locked for longer than the TTL", func() {
			db, err := sql.Open("sqlite", "file:"+path+"?_pragma=busy_timeout(20000)&_txlock=immediate")
			must(err)
			defer func() { must(db.Close()) }()
			tx, err := db.BeginTx(context.Background(), nil)
			must(err)
			waitUntilNobodyRuns(d)
			must(tx.Rollback())
		}},
	} {
		before := stamptest.Now()
		fault.do()
		t.Log(fault.name, "after", time.Duration(stamptest.Now()-before))
		d.took(before)
	}
	d.verify(6)
}

// waitUntilNobodyRuns waits until the agents have lowered.
func waitUntilNobodyRuns(d *duel) {
	d.lab.t.Helper()
	assert.Eventually(d.lab.t, func() bool {
		for _, l := range d.lives() {
			if l.Alive() {
				return false
			}
		}
		return true
	}, patience, pollTime, "a command outlived its leadership")
}
