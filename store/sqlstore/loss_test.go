package sqlstore_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/store"
)

// eventually retries what fails while a driver opens a new file.
func eventually(t testing.TB, what string, f func() error) {
	t.Helper()
	var err error
	require.Eventually(t, func() bool { err = f(); return err == nil }, 60*time.Second, 5*time.Millisecond, "%s: %v", what, &err)
}

func write(d store.Driver, key string) error {
	outcomes, err := d.Apply(context.Background(), []store.Write{{Kind: store.Create, Key: key}})
	if err != nil {
		return err
	}
	return outcomes[0].Err
}

// Each of these takes the file from under two living drivers. From then on nothing that was done in
// the lost file is reported as done, watches are told, and both drivers meet in what stands at the
// path now.
func TestTheFileIsTakenFromUnderLivingDrivers(t *testing.T) {
	t.Parallel()
	backup := filepath.Join(t.TempDir(), "backup.db")
	old, err := openAt(backup)
	require.NoError(t, err)
	require.NoError(t, write(old, "of-the-backup"))
	require.NoError(t, old.Close())
	backupContent, err := os.ReadFile(backup)
	require.NoError(t, err)
	for name, c := range map[string]struct {
		take func(t *testing.T, path string)
		keys []string // what both find afterwards, beside what they write
	}{
		"deleted with all that belongs to it": {func(t *testing.T, path string) {
			require.NoError(t, removeAll(path, path+"-wal", path+"-shm", path+".lock"))
		}, []string{}},
		"deleted alone": {func(t *testing.T, path string) {
			require.NoError(t, os.Remove(path))
		}, []string{}},
		"moved away": {func(t *testing.T, path string) {
			require.NoError(t, os.Rename(path, path+".away"))
		}, []string{}},
		"the folder deleted": {func(t *testing.T, path string) {
			require.NoError(t, os.RemoveAll(filepath.Dir(path)))
		}, []string{}},
		"the folder moved away": {func(t *testing.T, path string) {
			require.NoError(t, os.Rename(filepath.Dir(path), filepath.Dir(path)+".away"))
		}, []string{}},
		"replaced by a backup, whose -wal file is another's": {func(t *testing.T, path string) {
			require.NoError(t, os.WriteFile(path+".new", backupContent, 0o600))
			require.NoError(t, os.Rename(path+".new", path))
		}, []string{"of-the-backup"}},
		"the -wal file deleted": {func(t *testing.T, path string) {
			require.NoError(t, os.Remove(path+"-wal"))
		}, nil},
		"the -wal and -shm files deleted": {func(t *testing.T, path string) {
			require.NoError(t, removeAll(path+"-wal", path+"-shm"))
		}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := newPath(t)
			a, b := open(t, path), open(t, path)
			create(t, a, "old", "")
			id := grant(t, a, time.Minute)
			w := watch(t, b, "")

			c.take(t, path)
			err := a.Renew(context.Background(), id)
			require.Error(t, err, "the file that would have been renewed in is lost")
			require.NotErrorIs(t, err, store.ErrSessionGone, "no file said so")

			w.wait(t, store.EventReset)
			eventually(t, "writes go on", func() error { return write(a, "new-a") })
			eventually(t, "writes go on", func() error { return write(b, "new-b") })
			w.until(t, "the new key", func(e store.Event) bool {
				for _, r := range append(e.Records, e.Record) {
					if r.Key == "new-b" {
						return true
					}
				}
				return false
			})
			fresh := open(t, path)
			assert.Equal(t, keys(t, a, ""), keys(t, b, ""))
			assert.Equal(t, keys(t, a, ""), keys(t, fresh, ""))
			if c.keys != nil {
				assert.Equal(t, append(c.keys, "new-a", "new-b"), keys(t, fresh, ""))
				require.ErrorIs(t, a.Renew(context.Background(), id), store.ErrSessionGone)
			}
		})
	}
}

func TestTheFileIsMovedAwayAndBackAgainAndAgain(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	a, b := open(t, path), open(t, path)
	create(t, a, "old", "")
	w := watch(t, b, "")
	saved(t, path, "old")
	for range 5 {
		require.NoError(t, os.Rename(path, path+".away"))
		w.wait(t, store.EventReset)
		eventually(t, "a new database is there", func() error { return write(a, "elsewhere") })
		eventually(t, "for both", func() error { _, err := b.List(context.Background(), ""); return err })
		require.Equal(t, []string{"elsewhere"}, keys(t, b, ""))
		require.NoError(t, os.Rename(path+".away", path)) // beside the other one's -wal file
		w.until(t, "the old database is back", func(e store.Event) bool {
			return e.Kind == store.EventReset && len(e.Records) > 0 && e.Records[0].Key == "old"
		})
		eventually(t, "for both", func() error { _, err := a.List(context.Background(), ""); return err })
		require.Equal(t, []string{"old"}, keys(t, a, ""))
		rawCheck(t, path)
	}
}

// saved waits until the file alone, without what stands beside it, has a key. Only another process
// may read a database file: in this one SQLite's locks would be lost.
func saved(t testing.TB, path, key string) {
	t.Helper()
	copied := filepath.Join(t.TempDir(), "copy.db")
	eventually(t, "the file has "+key, func() error {
		if err := exec.Command("cp", path, copied).Run(); err != nil {
			return err
		}
		if n := rawValue(t, copied, `SELECT count(*) FROM records WHERE key = '`+key+`'`); n != "1" {
			return errors.New(n + " records")
		}
		return nil
	})
}

// rawCheck lets SQLite look for damage.
func rawCheck(t testing.TB, path string) {
	t.Helper()
	assert.Equal(t, "ok", rawValue(t, path, `PRAGMA integrity_check`))
}

func TestNobodyReportsSuccessInAFileThatIsNotAtItsPath(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	d := open(t, path)
	for range 20 {
		var id store.SessionID
		eventually(t, "grant", func() (err error) { id, err = d.Grant(context.Background(), time.Minute); return err })
		require.NoError(t, os.Rename(path, path+".away"))
		require.Error(t, d.Renew(context.Background(), id))
		outcomes, err := d.Apply(context.Background(), []store.Write{{Kind: store.Create, Key: "k"}})
		if err == nil { // in the new database
			require.NoError(t, outcomes[0].Err)
			require.Equal(t, uint64(1), outcomes[0].Rev)
		}
		if records, err := d.Owned(context.Background(), id); err == nil {
			require.Empty(t, records)
		}
	}
}

func TestAGarbageFileIsLeftAloneAndWatchesAreToldThatTheyAreStale(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	d := open(t, path)
	create(t, d, "k", "")
	saved(t, path, "k")
	w := watch(t, d, "k")
	before := time.Now()
	garbage := make([]byte, 10_000)
	require.NoError(t, os.Rename(path, path+".away"))
	eventually(t, "garbage at the path", func() error {
		if err := os.WriteFile(path+".garbage", garbage, 0o600); err != nil {
			return err
		}
		return os.Rename(path+".garbage", path)
	})
	stale := w.wait(t, store.EventStale)
	require.Error(t, stale.Err)
	assert.NotErrorIs(t, stale.Err, store.ErrInvalid, "nothing is permanent for a living driver")
	assert.WithinDuration(t, before, stale.Since.Add(time.Since(before)), time.Minute)
	err := write(d, "x")
	require.ErrorIs(t, err, store.ErrUnreachable)
	assert.NotErrorIs(t, err, store.ErrInvalid)
	assert.ErrorContains(t, err, path)
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, garbage, content)
	require.NoError(t, os.Rename(path+".away", path))
	e := w.wait(t, store.EventReset)
	assert.Len(t, e.Records, 1)
}

func TestAFileOverwrittenInPlaceIsNoticed(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	d := open(t, path)
	create(t, d, "k", "")
	w := watch(t, d, "")
	rawSQL(t, path, `UPDATE meta SET store = 'another'`)
	w.wait(t, store.EventReset)
	eventually(t, "writes go on", func() error { return write(d, "x") })
}

func TestRevisionsThatRunBackwardsAreAReset(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	d := open(t, path)
	for _, key := range []string{"a", "b", "c"} {
		create(t, d, key, "")
	}
	w := watch(t, d, "")
	rawSQL(t, path, `BEGIN; DELETE FROM records WHERE mod_rev > 1; DELETE FROM changes WHERE rev > 1; UPDATE meta SET rev = 1; COMMIT`)
	e := w.wait(t, store.EventReset)
	assert.Equal(t, uint64(1), e.Rev)
	assert.Len(t, e.Records, 1)
}
