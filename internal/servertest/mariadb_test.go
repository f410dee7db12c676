package servertest_test

import (
	"database/sql"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/internal/servertest"
)

func TestMariaDBKeepsItsDataThroughACrashAndLosesThemByAWipe(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, servertest.MariaDBWith("--autocommit=0"))
	cfg := mysql.NewConfig()
	cfg.User, cfg.Net, cfg.Addr, cfg.DBName, cfg.Logger = "root", "tcp", s.Addr(), "test", &mysql.NopLogger{}
	cfg.Params = map[string]string{"autocommit": "1"}
	connector, err := mysql.NewConnector(cfg)
	require.NoError(t, err)
	db := sql.OpenDB(connector)
	t.Cleanup(func() { _ = db.Close() })
	setting := 0
	require.NoError(t, db.QueryRow("SELECT @@GLOBAL.autocommit").Scan(&setting))
	require.Zero(t, setting, "the argument")
	_, err = db.Exec("CREATE TABLE t (n INTEGER)")
	require.NoError(t, err)
	s.Stop()
	s.Start()
	answers := func() bool { return db.Ping() == nil }
	require.Eventually(t, answers, time.Minute, 10*time.Millisecond)
	_, err = db.Exec("INSERT INTO t VALUES (1)")
	require.NoError(t, err)
	s.Wipe()
	require.Eventually(t, answers, time.Minute, 10*time.Millisecond)
	_, err = db.Exec("INSERT INTO t VALUES (1)")
	require.ErrorContains(t, err, "doesn't exist")
}
