package sqlfence_test

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/claimer/fence"
	"github.com/muster-go/muster/claimer/fence/sqlfence"
	"github.com/muster-go/muster/internal/servertest"
)

// mariaDB gives a handle that counts rows as found says.
func mariaDB(t testing.TB, found bool) *sql.DB {
	t.Helper()
	cfg := mysql.NewConfig()
	cfg.User, cfg.Net, cfg.Addr, cfg.DBName, cfg.Logger = "root", "tcp", servertest.Shared(t, servertest.MariaDB).Addr(), "test", &mysql.NopLogger{}
	cfg.ClientFoundRows = found
	connector, err := mysql.NewConnector(cfg)
	require.NoError(t, err)
	return closing(t, sql.OpenDB(connector))
}

func postgreSQL(t testing.TB) *sql.DB {
	t.Helper()
	cfg, err := pgx.ParseConfig("postgres://postgres@" + servertest.Shared(t, servertest.PostgreSQL).Addr() + "/postgres?sslmode=disable")
	require.NoError(t, err)
	return closing(t, stdlib.OpenDB(*cfg))
}

func closing(t testing.TB, db *sql.DB) *sql.DB {
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// onServers runs a test on each kind of server, with a table of its own in which there is one row.
func onServers(t *testing.T, table string, f func(t *testing.T, db *sql.DB, rows sqlfence.Rows)) {
	for name, open := range map[string]func(testing.TB) (*sql.DB, func(int) string){
		"PostgreSQL": func(t testing.TB) (*sql.DB, func(int) string) { return postgreSQL(t), sqlfence.Dollar },
		"MariaDB":    func(t testing.TB) (*sql.DB, func(int) string) { return mariaDB(t, true), nil },
	} {
		t.Run("on "+name, func(t *testing.T) {
			t.Parallel()
			db, placeholder := open(t)
			for _, statement := range []string{
				"CREATE TABLE " + table + " (name VARCHAR(100) PRIMARY KEY, state VARCHAR(100) NOT NULL, runs INTEGER NOT NULL, fence BIGINT NOT NULL DEFAULT 0)",
				"INSERT INTO " + table + " (name, state, runs) VALUES ('nightly', 'new', 0)",
			} {
				_, err := db.Exec(statement)
				require.NoError(t, err)
			}
			f(t, db, sqlfence.Rows{Table: table, Key: "name", Placeholder: placeholder})
		})
	}
}

func TestServersRefuseATokenBelowTheFence(t *testing.T) {
	onServers(t, "fenced_rows", func(t *testing.T, db *sql.DB, rows sqlfence.Rows) {
		require.NoError(t, rows.Update(t.Context(), db, "nightly", 7, state("first", 1)...))
		require.NoError(t, rows.Update(t.Context(), db, "nightly", 7, state("first", 1)...), "the same once more")
		require.NoError(t, rows.Update(t.Context(), db, "nightly", 9, state("second", 2)...))
		var stale *fence.StaleError
		require.ErrorAs(t, rows.Update(t.Context(), db, "nightly", 8, state("late", 3)...), &stale)
		assert.Equal(t, uint64(9), stale.Fence)
		require.ErrorIs(t, rows.Update(t.Context(), db, "weekly", 9), sqlfence.ErrNoRow)
		var got string
		require.NoError(t, db.QueryRow("SELECT state FROM fenced_rows").Scan(&got))
		require.Equal(t, "second", got)
	})
}

func TestOnServersTheGreatestTokenOfManyAtOnceStands(t *testing.T) {
	onServers(t, "fenced_race", func(t *testing.T, db *sql.DB, rows sqlfence.Rows) {
		db.SetMaxOpenConns(16)
		const most = 100
		var writers sync.WaitGroup
		for _, i := range rand.Perm(most) {
			writers.Go(func() {
				err := rows.Update(t.Context(), db, "nightly", uint64(i+1), state(fmt.Sprint(i+1), i+1)...)
				if i+1 == most {
					assert.NoError(t, err)
				} else if err != nil {
					assert.ErrorIs(t, err, fence.ErrStale)
				}
			})
		}
		writers.Wait()
		var got string
		var fenceIs int
		require.NoError(t, db.QueryRow("SELECT state, fence FROM fenced_race").Scan(&got, &fenceIs))
		require.Equal(t, most, fenceIs)
		require.Equal(t, fmt.Sprint(most), got, "the columns are the greatest token's too")
	})
}

func TestOnServersAGuardKeepsASmallerTokenOutUntilItsTransactionEnds(t *testing.T) {
	onServers(t, "fenced_guard", func(t *testing.T, db *sql.DB, rows sqlfence.Rows) {
		tx, err := db.Begin()
		require.NoError(t, err)
		defer func() { _ = tx.Rollback() }()
		require.NoError(t, rows.Guard(t.Context(), tx, "nightly", 5))
		require.NoError(t, rows.Guard(t.Context(), tx, "nightly", 5), "again, in the same transaction")
		late := make(chan error, 1)
		go func() { late <- rows.Update(context.Background(), db, "nightly", 4, state("late", 1)...) }()
		_, err = tx.Exec("UPDATE fenced_guard SET state = 'guarded'")
		require.NoError(t, err)
		require.NoError(t, tx.Commit())
		require.ErrorIs(t, <-late, fence.ErrStale)
		var got string
		require.NoError(t, db.QueryRow("SELECT state FROM fenced_guard").Scan(&got))
		require.Equal(t, "guarded", got)
	})
}

func TestMariaDBWithoutClientFoundRowsIsRefusedWithTheMend(t *testing.T) {
	t.Parallel()
	db := mariaDB(t, false)
	for _, statement := range []string{
		"CREATE TABLE fenced_unfound (name VARCHAR(100) PRIMARY KEY, fence BIGINT NOT NULL DEFAULT 0)",
		"INSERT INTO fenced_unfound VALUES ('nightly', 3)",
	} {
		_, err := db.Exec(statement)
		require.NoError(t, err)
	}
	err := sqlfence.Rows{Table: "fenced_unfound", Key: "name"}.Update(t.Context(), db, "nightly", 3)
	require.ErrorContains(t, err, "clientFoundRows=true")
	require.NotErrorIs(t, err, fence.ErrStale)
}
