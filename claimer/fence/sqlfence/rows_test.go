package sqlfence_test

import (
	"context"
	"database/sql"
	"math/rand/v2"
	"net/url"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite"

	"github.com/muster-go/muster/claimer/fence"
	"github.com/muster-go/muster/claimer/fence/sqlfence"
	"github.com/muster-go/muster/internal/servertest"
)

func TestMain(m *testing.M) { servertest.VerifyTestMain(m) }

var jobs = sqlfence.Rows{Table: "jobs", Key: "name"}

// openDB gives a database on the disk with one job, "nightly", that nobody has written yet.
func openDB(t *testing.T) *sql.DB {
	t.Helper()
	path := url.URL{Scheme: "file", Opaque: filepath.Join(t.TempDir(), "jobs.db")}
	db, err := sql.Open("sqlite", path.String()+"?_txlock=immediate&_pragma=busy_timeout(60000)&_pragma=journal_mode(WAL)")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	for _, statement := range []string{
		"CREATE TABLE jobs (name TEXT PRIMARY KEY, state TEXT NOT NULL, runs INTEGER NOT NULL, fence BIGINT NOT NULL DEFAULT 0)",
		"INSERT INTO jobs (name, state, runs) VALUES ('nightly', 'new', 0)",
		"CREATE TABLE audit (id INTEGER PRIMARY KEY AUTOINCREMENT, token BIGINT NOT NULL)",
	} {
		_, err := db.ExecContext(t.Context(), statement)
		require.NoError(t, err)
	}
	return db
}

func requireJob(t *testing.T, db *sql.DB, state string, runs int, fenceIs uint64) {
	t.Helper()
	var gotState string
	var gotRuns int
	var gotFence uint64
	require.NoError(t, db.QueryRowContext(t.Context(), "SELECT state, runs, fence FROM jobs WHERE name = 'nightly'").Scan(&gotState, &gotRuns, &gotFence))
	require.Equal(t, []any{state, runs, fenceIs}, []any{gotState, gotRuns, gotFence})
}

func state(s string, runs int) []sqlfence.Column {
	return []sqlfence.Column{{Name: "state", Value: s}, {Name: "runs", Value: runs}}
}

func TestUpdateRefusesATokenBelowTheFence(t *testing.T) {
	db := openDB(t)
	require.NoError(t, jobs.Update(t.Context(), db, "nightly", 7, state("first", 1)...))
	requireJob(t, db, "first", 1, 7)
	require.NoError(t, jobs.Update(t.Context(), db, "nightly", 7, state("first", 1)...), "the same once more")
	require.NoError(t, jobs.Update(t.Context(), db, "nightly", 9, state("second", 2)...))
	requireJob(t, db, "second", 2, 9)

	err := jobs.Update(t.Context(), db, "nightly", 7, state("late", 3)...)
	require.ErrorIs(t, err, fence.ErrStale)
	var stale *fence.StaleError
	require.ErrorAs(t, err, &stale)
	assert.Equal(t, fence.StaleError{What: "row nightly of jobs", Token: 7, Fence: 9}, *stale)
	requireJob(t, db, "second", 2, 9)
}

func TestUpdateRefusesWhatCantBeFenced(t *testing.T) {
	db := openDB(t)
	for _, tt := range []struct {
		name  string
		rows  sqlfence.Rows
		key   string
		token uint64
		want  error
	}{
		{"a row that isn't there", jobs, "weekly", 1, sqlfence.ErrNoRow},
		{"no token", jobs, "nightly", 0, fence.ErrInvalid},
		{"a token beyond the database's integers", jobs, "nightly", 1 << 63, fence.ErrInvalid},
		{"no table", sqlfence.Rows{Key: "name"}, "nightly", 1, fence.ErrInvalid},
		{"no key", sqlfence.Rows{Table: "jobs"}, "nightly", 1, fence.ErrInvalid},
	} {
		t.Run(tt.name, func(t *testing.T) {
			require.ErrorIs(t, tt.rows.Update(t.Context(), db, tt.key, tt.token, state("bad", 1)...), tt.want)
			requireJob(t, db, "new", 0, 0)
		})
	}
}

func TestGuardProtectsAllThatItsTransactionDoes(t *testing.T) {
	db := openDB(t)
	guarded := func(token uint64) error {
		tx, err := db.BeginTx(t.Context(), nil)
		require.NoError(t, err)
		defer func() { _ = tx.Rollback() }()
		if err := jobs.Guard(t.Context(), tx, "nightly", token); err != nil {
			return err
		}
		_, err = tx.ExecContext(t.Context(), "INSERT INTO audit (token) VALUES (?)", int64(token))
		require.NoError(t, err)
		return tx.Commit()
	}
	const writers, rounds = 8, 12
	var work sync.WaitGroup
	for w := range writers {
		work.Go(func() {
			for n := range rounds {
				// Each writer's own tokens rise; those of the others come in between.
				token := uint64(1 + n*10 + rand.IntN(30))
				if err := guarded(token); err != nil {
					assert.ErrorIs(t, err, fence.ErrStale, "writer %d", w)
				}
			}
		})
	}
	work.Wait()
	rows, err := db.QueryContext(t.Context(), "SELECT token FROM audit ORDER BY id")
	require.NoError(t, err)
	defer rows.Close()
	var tokens []uint64
	for rows.Next() {
		var token uint64
		require.NoError(t, rows.Scan(&token))
		tokens = append(tokens, token)
	}
	require.NoError(t, rows.Err())
	assert.True(t, slices.IsSorted(tokens), "in the order of their commits: %d", tokens)
	last := tokens[len(tokens)-1]
	requireJob(t, db, "new", 0, last)
	require.ErrorIs(t, guarded(last-1), fence.ErrStale)
	requireJob(t, db, "new", 0, last)
}

func TestAGuardThatIsRolledBackLeavesTheFenceAlone(t *testing.T) {
	db := openDB(t)
	tx, err := db.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	require.NoError(t, jobs.Guard(t.Context(), tx, "nightly", 9))
	require.NoError(t, tx.Rollback())
	require.NoError(t, jobs.Update(t.Context(), db, "nightly", 7, state("first", 1)...))
	requireJob(t, db, "first", 1, 7)
}

func TestUpdateRefusesAKeyThatNamesSeveralRows(t *testing.T) {
	db := openDB(t)
	_, err := db.ExecContext(t.Context(), "INSERT INTO jobs (name, state, runs) VALUES ('weekly', 'new', 0)")
	require.NoError(t, err)
	rows := sqlfence.Rows{Table: "jobs", Key: "state"}
	require.ErrorIs(t, rows.Update(t.Context(), db, "new", 1), fence.ErrInvalid)
}

// changedOnly is a database that counts rows that changed, as MySQL's does unless told otherwise.
type changedOnly struct {
	*sql.DB
	query string
}

func (c *changedOnly) ExecContext(_ context.Context, query string, _ ...any) (sql.Result, error) {
	c.query = query
	return none{}, nil
}

type none struct{}

func (none) LastInsertId() (int64, error) { return 0, nil }
func (none) RowsAffected() (int64, error) { return 0, nil }

func TestADatabaseThatCountsChangedRowsOnlyIsRefusedWithTheMend(t *testing.T) {
	db := &changedOnly{DB: openDB(t)}
	_, err := db.DB.ExecContext(t.Context(), "UPDATE jobs SET fence = 5")
	require.NoError(t, err)
	err = jobs.Update(t.Context(), db, "nightly", 5)
	require.Error(t, err)
	require.NotErrorIs(t, err, fence.ErrStale)
	assert.Contains(t, err.Error(), "clientFoundRows=true")
}

func TestTheStatementHasThePlaceholdersOfTheDatabase(t *testing.T) {
	db := &changedOnly{DB: openDB(t)}
	rows := sqlfence.Rows{Table: `ops."jobs"`, Key: "name", Fence: "seen", Placeholder: sqlfence.Dollar}
	require.Error(t, rows.Update(t.Context(), db, "nightly", 5, state("x", 1)...))
	assert.Equal(t, `UPDATE ops."jobs" SET state = $1, runs = $2, seen = $3 WHERE name = $4 AND seen <= $5`, db.query)
}
