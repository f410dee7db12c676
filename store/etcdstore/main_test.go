package etcdstore_test

import (
	"context"
	"log/slog"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"go.uber.org/zap"

	"github.com/muster-go/muster/internal/bootclock"
	"github.com/muster-go/muster/internal/etcdtest"
	"github.com/muster-go/muster/internal/servertest"
	"github.com/muster-go/muster/store"
	"github.com/muster-go/muster/store/etcdstore"
)

// quiet is for clients of etcd.
var quiet = zap.NewNop()

func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler)) // which Open logs to
	goleak.VerifyTestMain(m)
}

// open opens a URL; the caller closes the driver.
func open(t testing.TB, rawURL string) store.Driver {
	t.Helper()
	d, err := tryOpen(rawURL)
	require.NoError(t, err)
	return d
}

func tryOpen(rawURL string) (store.Driver, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return nil, err
	}
	return etcdstore.Open(context.Background(), u, bootclock.Clock)
}

// lab is a node and the clients that reach it, each through a proxy of its own.
type lab struct{ *etcdtest.Server }

func newLab(t testing.TB) *lab { return &lab{etcdtest.Start(t, etcdtest.Settings{})} }

// client is a driver that takes its proxy along when it is closed.
type client struct {
	store.Driver
	proxy *servertest.Proxy
}

func (c *client) Close() error {
	defer c.proxy.Close()
	return c.Driver.Close()
}

func (l *lab) open(t testing.TB) *client {
	t.Helper()
	proxy := servertest.NewProxy(t, l.Endpoint())
	return &client{open(t, etcdtest.URL("muster/test", proxy.Endpoint())), proxy}
}
