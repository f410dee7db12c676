package postgres_test

import (
	"context"
	"crypto/rand"
	"database/sql"
	"flag"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib"
	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/internal/bootclock"
	"github.com/muster-go/muster/internal/servertest"
	"github.com/muster-go/muster/store"
	"github.com/muster-go/muster/store/sqlstore/postgres"
)

func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", "4"); err != nil { // the tests wait, for the most part
		panic(err)
	}
	slog.SetDefault(slog.New(slog.DiscardHandler)) // which Open logs to
	servertest.VerifyTestMain(m)
}

// place is a schema on a server that a test has for itself.
type place struct {
	addr   string
	schema string
}

func newPlace(s *servertest.Server) place {
	return place{s.Addr(), "t" + strings.ToLower(rand.Text()[:12])}
}

// url is the store's URL through an address that leads to the server.
func (p place) url(addr string, params ...string) string {
	return fmt.Sprintf("postgres://postgres@%s/postgres?%s", addr, strings.Join(append(params, "sslmode=disable", "schema="+p.schema), "&"))
}

// admin is a handle of the superuser's.
func admin(t testing.TB, addr string) *sql.DB {
	t.Helper()
	db, err := sql.Open("pgx", "postgres://postgres@"+addr+"/postgres?sslmode=disable")
	require.NoError(t, err)
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func tryOpen(rawURL string) (store.Driver, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return nil, err
	}
	return postgres.Open(context.Background(), u, bootclock.Clock)
}

func open(t testing.TB, rawURL string) store.Driver {
	t.Helper()
	d, err := tryOpen(rawURL)
	require.NoError(t, err)
	return d
}

// client is a driver that takes its proxy along when it is closed.
type client struct {
	store.Driver
	proxy *servertest.Proxy
}

func (c *client) Close() error {
	defer c.proxy.Close()
	return c.Driver.Close()
}

// ListPair implements store.PairLister.
func (c *client) ListPair(ctx context.Context, first, second string) (store.Snapshot, store.Snapshot, error) {
	return c.Driver.(store.PairLister).ListPair(ctx, first, second)
}

func (p place) open(t testing.TB) *client {
	t.Helper()
	proxy := servertest.NewProxy(t, p.addr)
	return &client{open(t, p.url(proxy.Endpoint())), proxy}
}
