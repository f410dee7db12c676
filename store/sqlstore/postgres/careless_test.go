package postgres_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/internal/servertest"
	"github.com/muster-go/muster/store"
	"github.com/muster-go/muster/store/sqlstore"
)

// careless is a client library that ignores its contexts.
type careless struct {
	driver.Connector
	gate chan struct{} // connections are made once it gives something, or is closed
}

type carelessConn struct{ *stdlib.Conn }

func newCareless(t testing.TB, addr string) (*sql.DB, *careless) {
	t.Helper()
	cfg, err := pgx.ParseConfig("postgres://postgres@" + addr + "/postgres?sslmode=disable&default_query_exec_mode=exec")
	require.NoError(t, err)
	c := &careless{stdlib.GetConnector(*cfg), make(chan struct{})}
	return sql.OpenDB(c), c
}

func (c *careless) Connect(context.Context) (driver.Conn, error) {
	<-c.gate
	conn, err := c.Connector.Connect(context.Background())
	if err != nil {
		return nil, err
	}
	return carelessConn{conn.(*stdlib.Conn)}, nil
}

func (c carelessConn) QueryContext(_ context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	return c.Conn.QueryContext(context.Background(), query, args)
}

func (c carelessConn) ExecContext(_ context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	return c.Conn.ExecContext(context.Background(), query, args)
}

func (c carelessConn) ResetSession(context.Context) error { return nil }

func TestAClientThatIgnoresItsContextsHoldsUpNobody(t *testing.T) {
	t.Parallel()
	p := newPlace(servertest.Shared(t, servertest.PostgreSQL))
	proxy := servertest.NewProxy(t, p.addr)
	db, c := newCareless(t, proxy.Endpoint())
	close(c.gate)
	d, err := sqlstore.New(context.Background(), db, sqlstore.Config{Schema: p.schema})
	require.NoError(t, err)
	id := grant(t, d, time.Hour)
	w := watch(t, d, "a/")
	proxy.BlackHole()
	start := time.Now()
	for range 10 {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Millisecond)
		require.Error(t, d.Renew(ctx, id))
		_, err := d.Apply(ctx, []store.Write{{Kind: store.Create, Key: "k"}})
		require.Error(t, err)
		cancel()
	}
	w.wait(t, store.EventStale)
	w.cancel()
	<-w.done
	require.NoError(t, d.Close())
	assert.Less(t, time.Since(start), 30*time.Second)
	proxy.Close() // and what hangs ends
	_ = db.Close()
}

// It was told that nothing would happen.
func TestWhatWasGivenUpBeforeItWasSentIsNeverSent(t *testing.T) {
	t.Parallel()
	p := newPlace(servertest.Shared(t, servertest.PostgreSQL))
	db, c := newCareless(t, p.addr)
	t.Cleanup(func() { _ = db.Close() })
	go func() { c.gate <- struct{}{} }()
	d, err := sqlstore.New(context.Background(), db, sqlstore.Config{Schema: p.schema, Dialect: sqlstore.PostgreSQL})
	require.NoError(t, err)
	defer func() { require.NoError(t, d.Close()) }()
	other := opened(t, p, 1)[0]
	busy, err := db.Conn(context.Background()) // the only one
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	_, err = d.Apply(ctx, []store.Write{{Kind: store.Create, Key: "k"}})
	require.ErrorIs(t, err, store.ErrUnreachable)
	close(c.gate)
	require.NoError(t, busy.Close())
	require.Eventually(t, func() bool { return db.Stats().InUse == 0 }, time.Minute, time.Millisecond)
	assert.Empty(t, keys(t, other, ""))
}
