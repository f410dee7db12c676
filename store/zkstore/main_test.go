package zkstore_test

import (
	"context"
	"crypto/rand"
	"flag"
	"log/slog"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/internal/bootclock"
	"github.com/muster-go/muster/internal/servertest"
	"github.com/muster-go/muster/store"
	"github.com/muster-go/muster/store/zkstore"
)

func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", "5"); err != nil { // the tests wait, for the most part
		panic(err)
	}
	slog.SetDefault(slog.New(slog.DiscardHandler)) // which Open logs to
	servertest.VerifyTestMain(m)
}

// open opens a URL; the caller closes the driver.
func open(t testing.TB, rawURL string) store.Driver {
	t.Helper()
	d, err := tryOpen(rawURL)
	require.NoError(t, err)
	return d
}

func tryOpen(rawURL string) (store.Driver, error) {
	return store.Openers{"zk": zkstore.Open}.OpenDriver(context.Background(), rawURL, bootclock.Clock)
}

// root gives a root that no other run of a test has.
func root(name string) string { return "/" + name + "-" + rand.Text()[:8] }

// client is a driver that takes its proxy along when it is closed.
type client struct {
	store.Driver
	proxy *servertest.Proxy
}

func (c *client) Close() error {
	defer c.proxy.Close()
	return c.Driver.Close()
}

func through(t testing.TB, s *servertest.Server, at string) *client {
	t.Helper()
	proxy := servertest.NewProxy(t, s.Addr())
	return &client{open(t, (&url.URL{Scheme: "zk", Host: proxy.Endpoint(), Path: at}).String()), proxy}
}
