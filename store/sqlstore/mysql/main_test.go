package mysql_test

import (
	"context"
	"crypto/rand"
	"database/sql"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"testing"

	client "github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/internal/bootclock"
	"github.com/muster-go/muster/internal/servertest"
	"github.com/muster-go/muster/store"
	"github.com/muster-go/muster/store/sqlstore/mysql"
)

func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler)) // which Open logs to
	servertest.VerifyTestMain(m)
}

// place is a database on a server that a test has for itself.
type place struct {
	addr     string
	database string
}

// newPlace makes one; it goes with its server.
func newPlace(t testing.TB, s *servertest.Server) place {
	t.Helper()
	p := place{s.Addr(), "t" + strings.ToLower(rand.Text()[:12])}
	run(t, handle(t, s.Addr(), "", nil), "CREATE DATABASE "+p.database)
	return p
}

// url is the store's URL through an address that leads to the server.
func (p place) url(addr string, params ...string) string {
	return fmt.Sprintf("mysql://root@%s/%s?%s", addr, p.database, strings.Join(params, "&"))
}

// handle is an administrator's, or anybody's whom change makes of it.
func handle(t testing.TB, addr, database string, change func(*client.Config)) *sql.DB {
	t.Helper()
	cfg := client.NewConfig()
	cfg.User, cfg.Net, cfg.Addr, cfg.DBName, cfg.Logger = "root", "tcp", addr, database, &client.NopLogger{}
	if change != nil {
		change(cfg)
	}
	connector, err := client.NewConnector(cfg)
	require.NoError(t, err)
	db := sql.OpenDB(connector)
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func run(t testing.TB, db *sql.DB, statements ...string) {
	t.Helper()
	for _, statement := range statements {
		_, err := db.Exec(statement)
		require.NoError(t, err, statement)
	}
}

func tryOpen(rawURL string) (store.Driver, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return nil, err
	}
	return mysql.Open(context.Background(), u, bootclock.Clock)
}

func open(t testing.TB, rawURL string) store.Driver {
	t.Helper()
	d, err := tryOpen(rawURL)
	require.NoError(t, err)
	return d
}

// client is a driver that takes its proxy along when it is closed.
type proxied struct {
	store.Driver
	proxy *servertest.Proxy
}

func (c *proxied) Close() error {
	defer c.proxy.Close()
	return c.Driver.Close()
}

// ListPair implements store.PairLister.
func (c *proxied) ListPair(ctx context.Context, first, second string) (store.Snapshot, store.Snapshot, error) {
	return c.Driver.(store.PairLister).ListPair(ctx, first, second)
}

func (p place) open(t testing.TB) *proxied {
	t.Helper()
	proxy := servertest.NewProxy(t, p.addr)
	return &proxied{open(t, p.url(proxy.Endpoint())), proxy}
}

func requests(d store.Driver) int {
	if c, ok := d.(*proxied); ok {
		d = c.Driver
	}
	return d.(interface{ Requests() int }).Requests()
}
