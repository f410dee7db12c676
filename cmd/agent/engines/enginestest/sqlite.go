package enginestest

import (
	"context"
	"database/sql"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/store/sqlstore"
)

var sqlite = Engine{
	Name: "SQLite", Server: "a file", TTL: time.Second, Opener: sqlstore.OpenSQLite, Missing: nothing,
	start: func(t testing.TB) *Store {
		path := filepath.Join(t.TempDir(), "muster.db")
		var release func()
		return &Store{
			url: func(testing.TB, []string) string { return "sqlite://" + path },
			// There is no server to stop: somebody else has the file, and nobody can write.
			Stop: func() { release = seize(t, path) },
			Start: func() {
				release()
				release = nil
			},
		}
	},
}

// seize locks the file as a client that writes for long does, until release is called.
func seize(t testing.TB, path string) (release func()) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=busy_timeout(60000)&_txlock=immediate")
	require.NoError(t, err)
	tx, err := db.BeginTx(context.Background(), nil)
	require.NoError(t, err)
	released := false
	release = func() {
		if !released {
			released = true
			_ = tx.Rollback()
			_ = db.Close()
		}
	}
	t.Cleanup(release)
	return release
}
