package sqlstore_test

import (
	"context"
	"database/sql"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/store"
	"github.com/muster-go/muster/store/sqlstore"
)

func TestURLsThatNameNoFileAreRefusedWithTheMend(t *testing.T) {
	t.Parallel()
	for raw, mend := range map[string]string{
		"sqlite:muster.db":            "sqlite:///var/lib/muster.db",
		"sqlite:data/muster.db":       "after three slashes",
		"sqlite://var/lib/muster.db":  "did you mean sqlite:///var/lib/muster.db?",
		"sqlite:":                     "write sqlite:///absolute/path",
		"sqlite:///":                  "write sqlite:///absolute/path",
		"sqlite:///var/x.db?mode=ro":  "leave out options",
		"sqlite:///var/lib/muster/":   "add the name of a file",
		"sqlite:///var/lib/x%00.db":   "NUL",
		"sqlite://u:secret@h/file.db": "has a host",
	} {
		u, err := url.Parse(raw)
		require.NoError(t, err)
		_, err = sqlstore.OpenSQLite(context.Background(), u, nil)
		require.ErrorIs(t, err, store.ErrInvalid, raw)
		assert.ErrorContains(t, err, mend)
		assert.NotContains(t, err.Error(), "secret")
		assert.NotContains(t, err.Error(), "\n")
	}
}

func TestOpenerMakesFoldersAndFilesThatOnlyTheUserCanRead(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a b%?#", "muster.db")
	d, err := store.Openers{"sqlite": sqlstore.OpenSQLite}.OpenDriver(context.Background(), (&url.URL{Scheme: "sqlite", Path: path}).String(), nil)
	require.NoError(t, err)
	create(t, d, "k", "")
	for _, suffix := range []string{"", "-wal", "-shm", ".lock"} {
		info, err := os.Stat(path + suffix)
		require.NoError(t, err)
		assert.Equal(t, os.FileMode(0o600), info.Mode().Perm(), suffix)
	}
	info, err := os.Stat(filepath.Dir(path))
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o700), info.Mode().Perm())
	require.NoError(t, d.Close())
	assert.NoFileExists(t, path+"-wal", "the last one to close leaves all in the file")
	assert.NoFileExists(t, path+"-shm")
	require.NoError(t, d.Close())
	assert.Equal(t, []string{"k"}, keys(t, open(t, path), ""))
}

func TestBadConfigurationIsRefused(t *testing.T) {
	t.Parallel()
	for _, cfg := range []sqlstore.SQLiteConfig{
		{},
		{Path: "relative.db"},
		{Path: "/tmp/x.db", Poll: -1},
		{Path: "/tmp/x.db", Poll: time.Second},
	} {
		require.ErrorIs(t, cfg.Validate(), store.ErrInvalid)
		_, err := sqlstore.SQLite(context.Background(), cfg)
		require.ErrorIs(t, err, store.ErrInvalid)
	}
}

// rawSQL runs statements on a file without the driver.
func rawSQL(t testing.TB, path string, statements ...string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	require.NoError(t, err)
	for _, s := range statements {
		_, err := db.Exec(s)
		require.NoError(t, err, s)
	}
	require.NoError(t, db.Close())
}

// What can't be a store is refused with the path and the mend, and everything stays as it was.
func TestOpenRefusesWhatIsNoStoreAndLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		make func(t *testing.T, path string) // the folder is there
		says string
	}{
		"a file that is no database": {func(t *testing.T, path string) {
			require.NoError(t, os.WriteFile(path, []byte(strings.Repeat("not a database\n", 1000)), 0o600))
		}, "is not a database"},
		"a short file that is no database": {func(t *testing.T, path string) {
			require.NoError(t, os.WriteFile(path, []byte("x"), 0o600))
		}, "is not a database"},
		"a damaged database": {func(t *testing.T, path string) {
			d, err := openAt(path)
			require.NoError(t, err)
			require.NoError(t, d.Close())
			require.NoError(t, os.Remove(path+".lock"))
			content, err := os.ReadFile(path)
			require.NoError(t, err)
			for i := 100; i < len(content); i++ {
				content[i] = 0xff
			}
			require.NoError(t, os.WriteFile(path, content, 0o600))
		}, "is damaged"},
		"a database of another program": {func(t *testing.T, path string) {
			rawSQL(t, path, `CREATE TABLE songs (title TEXT)`, `INSERT INTO songs VALUES ('one')`)
		}, "another program"},
		"a WAL database of another program": {func(t *testing.T, path string) {
			rawSQL(t, path, `PRAGMA journal_mode = WAL`, `CREATE TABLE meta (title TEXT)`)
		}, "another program"},
		"a database of a newer version": {func(t *testing.T, path string) {
			d, err := openAt(path)
			require.NoError(t, err)
			require.NoError(t, d.Close())
			require.NoError(t, os.Remove(path+".lock"))
			rawSQL(t, path, `UPDATE meta SET schema = 99`)
		}, "upgrade this one"},
		"a folder": {func(t *testing.T, path string) { require.NoError(t, os.Mkdir(path, 0o700)) }, "is a folder"},
		"a dangling link": {func(t *testing.T, path string) {
			require.NoError(t, os.Symlink(filepath.Join(filepath.Dir(path), "nowhere"), path))
		}, "doesn't exist"},
		"a file with two names": {func(t *testing.T, path string) {
			d, err := openAt(path)
			require.NoError(t, err)
			require.NoError(t, d.Close())
			require.NoError(t, os.Remove(path+".lock"))
			require.NoError(t, os.Link(path, path+".other"))
		}, "hard links"},
		"a path through a file": {func(t *testing.T, path string) {
			require.NoError(t, os.Remove(filepath.Dir(path)))
			require.NoError(t, os.WriteFile(filepath.Dir(path), nil, 0o600))
		}, "not a folder"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root := t.TempDir()
			path := filepath.Join(root, "state", "muster.db")
			require.NoError(t, os.Mkdir(filepath.Dir(path), 0o700))
			c.make(t, path)
			before := tree(t, root)
			_, err := openAt(path)
			require.ErrorIs(t, err, store.ErrInvalid)
			assert.ErrorContains(t, err, c.says)
			assert.ErrorContains(t, err, path)
			assert.NotContains(t, err.Error(), "\n")
			assert.Equal(t, before, tree(t, root))
		})
	}
}

// tree gives every file below root with its content.
func tree(t testing.TB, root string) map[string]string {
	t.Helper()
	found := map[string]string{}
	require.NoError(t, filepath.WalkDir(root, func(path string, entry os.DirEntry, err error) error {
		require.NoError(t, err)
		found[path] = entry.Type().String()
		if entry.Type().IsRegular() {
			content, err := os.ReadFile(path)
			require.NoError(t, err)
			found[path] = string(content)
		}
		return nil
	}))
	return found
}

func TestALinkToTheFileIsTheFile(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	d := open(t, path)
	link := filepath.Join(t.TempDir(), "link.db")
	require.NoError(t, os.Symlink(path, link))
	other := open(t, link)
	create(t, d, "a", "")
	create(t, other, "b", "")
	assert.Equal(t, []string{"a", "b"}, keys(t, d, ""))
	assert.NoFileExists(t, link+"-wal")
}

func TestOpenWaitsForALockedFileAndThenSaysWhy(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
	unlock := lock(t, path, "EXCLUSIVE")
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	_, err := sqlstore.SQLite(ctx, sqlstore.SQLiteConfig{Path: path})
	require.ErrorIs(t, err, store.ErrUnreachable)
	assert.ErrorContains(t, err, "locked by another program")
	unlock()
	open(t, path)
}

func TestNetworkFileSystemsAreKnownByTheirNumbers(t *testing.T) {
	t.Parallel()
	for magic, name := range map[uint32]string{
		0x6969: "NFS", 0xff534d42: "CIFS", 0xfe534d42: "SMB2", 0x517b: "SMB", 0x5346414f: "OpenAFS",
		0x00c36400: "Ceph", 0x01021997: "9P",
		0xef53: "", 0x01021994: "", 0x58465342: "", 0x9123683e: "", 0x794c7630: "", 0x65735546: "", // ext4, tmpfs, xfs, btrfs, overlay, FUSE
	} {
		assert.Equal(t, name, sqlstore.NetworkName(magic), "%#x", magic)
	}
}

// rawValue reads one value without the driver.
func rawValue(t testing.TB, path, query string) (value string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	require.NoError(t, err)
	require.NoError(t, db.QueryRow(query).Scan(&value))
	require.NoError(t, db.Close())
	return value
}
