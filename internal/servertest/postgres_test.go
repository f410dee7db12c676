package servertest_test

import (
	"database/sql"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"
	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/internal/servertest"
)

func TestPostgreSQLKeepsItsDataThroughACrashAndLosesThemByAWipe(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, servertest.PostgreSQL)
	db, err := sql.Open("pgx", "postgres://postgres@"+s.Addr()+"/postgres?sslmode=disable")
	require.NoError(t, err)
	t.Cleanup(func() { _ = db.Close() })
	_, err = db.Exec("CREATE TABLE t (n INTEGER)")
	require.NoError(t, err)
	s.Stop()
	require.Error(t, db.Ping())
	s.Start()
	answers := func() bool { return db.Ping() == nil }
	require.Eventually(t, answers, time.Minute, 10*time.Millisecond)
	_, err = db.Exec("INSERT INTO t VALUES (1)")
	require.NoError(t, err)

	s.Freeze()
	answered := make(chan error, 1)
	go func() { answered <- db.Ping() }()
	select {
	case err := <-answered:
		require.Fail(t, "a frozen server answered", "%v", err)
	case <-time.After(300 * time.Millisecond):
	}
	s.Thaw()
	require.NoError(t, <-answered)

	s.Wipe()
	require.Eventually(t, answers, time.Minute, 10*time.Millisecond)
	_, err = db.Exec("INSERT INTO t VALUES (1)")
	require.ErrorContains(t, err, "does not exist")
}
