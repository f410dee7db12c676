package mysql_test

import (
	"context"
	"database/sql"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/internal/servertest"
	"github.com/muster-go/muster/store"
)

// What a statement does depends on read_only, which is set on a replica: one is told the rows.
func TestAReplicaIsToldRowsInPlaceOfStatements(t *testing.T) {
	t.Parallel()
	server := servertest.Start(t, servertest.MariaDBWith("--log-bin=log", "--server-id=1", "--binlog-format=MIXED"))
	p := newPlace(t, server)
	admin := handle(t, p.addr, "", nil)
	d := open(t, p.url(p.addr))
	defer func() { _ = d.Close() }()
	run(t, admin, "FLUSH BINARY LOGS")
	id, err := d.Grant(context.Background(), time.Hour)
	require.NoError(t, err)
	require.NoError(t, d.Renew(context.Background(), id))
	require.Equal(t, map[string]int{"Write_rows_v1": 1, "Update_rows_v1": 1}, logged(t, admin))

	run(t, admin, "SET GLOBAL binlog_format = STATEMENT")
	_, err = tryOpen(p.url(p.addr))
	require.ErrorIs(t, err, store.ErrInvalid)
	require.ErrorContains(t, err, "SET GLOBAL binlog_format = 'ROW'")
}

// logged counts what changes rows in the second file of the binary log.
func logged(t *testing.T, admin *sql.DB) map[string]int {
	t.Helper()
	rows, err := admin.Query("SHOW BINLOG EVENTS IN 'log.000002'")
	require.NoError(t, err)
	defer func() { _ = rows.Close() }()
	kinds := map[string]int{}
	for rows.Next() {
		var name, kind, info string
		var pos, id, end int
		require.NoError(t, rows.Scan(&name, &pos, &kind, &id, &end, &info))
		if strings.HasSuffix(kind, "_rows_v1") || kind == "Query" {
			kinds[kind]++
		}
	}
	require.NoError(t, rows.Err())
	return kinds
}
