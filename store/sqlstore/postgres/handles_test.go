package postgres_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"strings"
	"sync/atomic"
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

// forgetful is a client that, as lib/pq does, says driver.ErrBadConn when the server goes away before
// it has answered: it loses the answer to one write.
type forgetful struct {
	driver.Connector
	lose atomic.Bool
}

func (f *forgetful) Driver() driver.Driver { return forgetfulDriver{f.Connector.Driver()} }

func (f *forgetful) Connect(ctx context.Context) (driver.Conn, error) {
	c, err := f.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return &forgetfulConn{c.(*stdlib.Conn), f}, nil
}

type forgetfulDriver struct{ driver.Driver }

type forgetfulConn struct {
	*stdlib.Conn
	f *forgetful
}

func (c *forgetfulConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	rows, err := c.Conn.QueryContext(ctx, query, args)
	if err == nil && strings.Contains(query, "jsonb_to_recordset") && c.f.lose.CompareAndSwap(true, false) {
		_, _ = rows.Close(), c.Conn.Close()
		return nil, driver.ErrBadConn
	}
	return rows, err
}

func TestAWriteWhoseAnswerTheClientLostIsUnknownWhateverTheClientCallsIt(t *testing.T) {
	t.Parallel()
	p := newPlace(servertest.Shared(t, servertest.PostgreSQL))
	cfg, err := pgx.ParseConfig("postgres://postgres@" + p.addr + "/postgres?sslmode=disable")
	require.NoError(t, err)
	client := &forgetful{Connector: stdlib.GetConnector(*cfg)}
	db := sql.OpenDB(client)
	defer func() { _ = db.Close() }()
	d, err := sqlstore.New(context.Background(), db, sqlstore.Config{Schema: p.schema})
	require.NoError(t, err)
	defer func() { require.NoError(t, d.Close()) }()
	client.lose.Store(true)
	_, err = d.Apply(context.Background(), []store.Write{{Kind: store.Create, Key: "k"}})
	require.False(t, client.lose.Load(), "the answer was lost")
	require.Error(t, err)
	require.NotErrorIs(t, err, store.ErrRefused)
	require.NotErrorIs(t, err, store.ErrGone)
	assert.Equal(t, []string{"k"}, keys(t, d, ""), "it was done")
}

func TestWhyACallerGivesUpSaysNothingOfTheOutcome(t *testing.T) {
	t.Parallel()
	p := newPlace(servertest.Shared(t, servertest.PostgreSQL))
	d := open(t, p.url(p.addr))
	defer func() { require.NoError(t, d.Close()) }()
	create(t, d, "before", "")
	tx := locked(t, p)
	ctx, cancel := context.WithCancelCause(context.Background())
	done := make(chan error, 1)
	go func() {
		_, err := d.Apply(ctx, []store.Write{{Kind: store.Create, Key: "k"}})
		done <- err
	}()
	waiting(t, p, 1)
	cancel(errors.Join(errors.New("the program ends"), store.ErrClosed))
	err := <-done
	require.ErrorContains(t, err, "the program ends")
	require.NotErrorIs(t, err, store.ErrRefused)
	require.NoError(t, tx.Rollback())
}

func TestASessionWithANameOfSomebodyElsesIsNoPartOfAStatement(t *testing.T) {
	t.Parallel()
	p := newPlace(servertest.Shared(t, servertest.PostgreSQL))
	d := open(t, p.url(p.addr))
	defer func() { require.NoError(t, d.Close()) }()
	create(t, d, "kept", "")
	db := admin(t, p.addr)
	_, err := db.Exec(`INSERT INTO "` + p.schema + `".muster_sessions (id, ttl_ns, renewals)
		VALUES ('x'', 0)); DELETE FROM "` + p.schema + `".muster_records; --', 1, 0)`)
	require.NoError(t, err)
	create(t, d, "owned", grant(t, d, time.Second))
	require.Eventually(t, func() bool { return len(keys(t, d, "owned")) == 0 }, time.Minute, 20*time.Millisecond, "it is no obstacle to the others' expiry")
	assert.Equal(t, []string{"kept"}, keys(t, d, ""))
}
