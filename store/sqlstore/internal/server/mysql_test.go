package server_test

import (
	"context"
	"crypto/rand"
	"database/sql"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/internal/bootclock"
	"github.com/muster-go/muster/internal/servertest"
	"github.com/muster-go/muster/store"
	"github.com/muster-go/muster/store/sqlstore/internal/server"
	"github.com/muster-go/muster/store/storetest"
)

func TestMain(m *testing.M) { servertest.VerifyTestMain(m) }

// quiet is for what is cut off on purpose.
var quiet = slog.New(slog.DiscardHandler)

func handle(t testing.TB, s *servertest.Server, database string, several bool) *sql.DB {
	t.Helper()
	cfg := mysql.NewConfig()
	cfg.User, cfg.Net, cfg.Addr, cfg.DBName, cfg.Logger, cfg.MultiStatements = "root", "tcp", s.Addr(), database, &mysql.NopLogger{}, several
	connector, err := mysql.NewConnector(cfg)
	require.NoError(t, err)
	db := sql.OpenDB(connector)
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// newDatabase makes a database of a test's own.
func newDatabase(t testing.TB, s *servertest.Server) string {
	t.Helper()
	name := "t" + strings.ToLower(rand.Text()[:12])
	_, err := handle(t, s, "", false).Exec("CREATE DATABASE " + name)
	require.NoError(t, err)
	return name
}

// openBySeveral opens a driver with a handle of its own, which it closes.
func openBySeveral(t testing.TB, s *servertest.Server, database string) *server.Driver {
	t.Helper()
	db := handle(t, s, database, true)
	d, err := server.Open(context.Background(), server.Config{
		DB: db, Dialect: server.SeveralStatements, Logger: quiet, Close: func() { _ = db.Close() },
	})
	require.NoError(t, err)
	return d
}

func TestMySQLsWayToWritePassesTheKit(t *testing.T) {
	t.Parallel()
	s := servertest.Shared(t, servertest.MariaDB)
	database := newDatabase(t, s)
	admin := openBySeveral(t, s, database)
	t.Cleanup(func() { _ = admin.Close() })
	storetest.Run(t, storetest.Harness{
		Open:     func(t testing.TB) store.Driver { return openBySeveral(t, s, database) },
		Clock:    bootclock.Clock,
		TTL:      time.Second,
		Expire:   func(t testing.TB, id store.SessionID) { require.NoError(t, admin.Revoke(context.Background(), id)) },
		Requests: func(d store.Driver) int { return d.(*server.Driver).Requests() },
		Poll:     100 * time.Millisecond,
	})
}

func TestMySQLsWayToWriteLeavesNoLockWhenItIsKilled(t *testing.T) {
	t.Parallel()
	s := servertest.Shared(t, servertest.MariaDB)
	database := newDatabase(t, s)
	d := openBySeveral(t, s, database)
	defer func() { _ = d.Close() }()
	created, err := d.Apply(t.Context(), []store.Write{{Kind: store.Create, Key: "a"}})
	require.NoError(t, err)
	admin := handle(t, s, database, false)
	tx, err := admin.Begin() // who keeps it from the row
	require.NoError(t, err)
	defer func() { _ = tx.Rollback() }()
	_, err = tx.Exec("UPDATE muster_records SET value = 'x' WHERE name = 'a'")
	require.NoError(t, err)
	failed := make(chan error, 1)
	go func() {
		_, err := d.Apply(context.Background(), []store.Write{{Kind: store.Delete, Key: "a", If: created[0].Rev}})
		failed <- err
	}()
	thread := 0
	require.Eventually(t, func() bool {
		return admin.QueryRow(`SELECT id FROM information_schema.processlist
			WHERE db = ? AND command = 'Query' AND time_ms > 100 AND id <> CONNECTION_ID()`, database).Scan(&thread) == nil
	}, time.Minute, 5*time.Millisecond)
	_, err = admin.Exec(fmt.Sprintf("KILL QUERY %d", thread))
	require.NoError(t, err)
	require.Error(t, <-failed)
	outcomes, err := d.Apply(t.Context(), []store.Write{{Kind: store.Create, Key: "b"}})
	require.NoError(t, err)
	require.Equal(t, created[0].Rev+1, outcomes[0].Rev)
}

func TestAHandleThatTakesOneStatementAtATimeIsRefusedForMySQL(t *testing.T) {
	t.Parallel()
	s := servertest.Shared(t, servertest.MariaDB)
	_, err := server.Open(t.Context(), server.Config{DB: handle(t, s, newDatabase(t, s), false), Dialect: server.SeveralStatements})
	require.ErrorIs(t, err, store.ErrInvalid)
	require.ErrorContains(t, err, "make it with multiStatements")
}

func TestEachRunOfAServerHasALifeOfItsOwn(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, servertest.MariaDB)
	db := handle(t, s, "", false)
	life := func() (life string) {
		require.Eventually(t, func() bool { return db.QueryRow("SELECT "+server.Life).Scan(&life) == nil }, time.Minute, 10*time.Millisecond)
		return life
	}
	first := life()
	require.Regexp(t, `^.+/\d+/\d+$`, first)
	require.Equal(t, first, life(), "a connection remembers it")
	other, err := db.Conn(t.Context())
	require.NoError(t, err)
	defer func() { _ = other.Close() }()
	require.Eventually(t, func() bool { // in another second, so that the time counts
		var uptime int
		return other.QueryRowContext(t.Context(), "SELECT variable_value FROM information_schema.session_status WHERE variable_name = 'UPTIME'").Scan(&uptime) == nil && uptime > 1
	}, time.Minute, 50*time.Millisecond)
	require.Equal(t, first, life())
	s.Stop()
	s.Start()
	require.NotEqual(t, first, life())
}
