package consulstore_test

import (
	"context"
	"flag"
	"log/slog"
	"net/url"
	"testing"

	"github.com/hashicorp/consul/api"
	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/internal/bootclock"
	"github.com/muster-go/muster/internal/servertest"
	"github.com/muster-go/muster/store"
	"github.com/muster-go/muster/store/consulstore"
)

func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler)) // which Open logs to
	flag.Parse()
	if err := flag.Set("test.parallel", "8"); err != nil { // the tests wait, for the most part
		panic(err)
	}
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
	u, err := url.Parse(rawURL)
	if err != nil {
		return nil, err
	}
	return consulstore.Open(context.Background(), u, bootclock.Clock)
}

// shared is the package's server, without what an earlier run of the test has left below the prefix.
func shared(t testing.TB, prefix string) *servertest.Server {
	t.Helper()
	s := servertest.Shared(t, servertest.Consul)
	_, err := admin(t, s).KV().DeleteTree(prefix, nil)
	require.NoError(t, err)
	return s
}

// client is a driver that reaches a server through a proxy of its own, which goes with it.
type client struct {
	store.Driver
	proxy *servertest.Proxy
}

func (c *client) Close() error {
	defer c.proxy.Close()
	return c.Driver.Close()
}

func openProxied(t testing.TB, s *servertest.Server) *client {
	t.Helper()
	proxy := servertest.NewProxy(t, s.Addr())
	return &client{open(t, "consul://"+proxy.Endpoint()+"/muster/test"), proxy}
}

// admin is Consul's own client, which passes by the driver.
func admin(t testing.TB, s *servertest.Server) *api.Client {
	t.Helper()
	config := api.DefaultNonPooledConfig()
	config.Address = s.Addr()
	c, err := api.NewClient(config)
	require.NoError(t, err)
	return c
}
