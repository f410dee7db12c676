package zkstore_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/internal/bootclock"
	"github.com/muster-go/muster/internal/servertest"
	"github.com/muster-go/muster/store"
	"github.com/muster-go/muster/store/storetest"
	"github.com/muster-go/muster/store/zkstore"
)

func TestConformance(t *testing.T) {
	server := servertest.Start(t, servertest.ZooKeeper)
	storetest.Run(t, storetest.Harness{
		Open:  func(t testing.TB) store.Driver { return through(t, server, "/muster/test") },
		Clock: bootclock.Clock,
		TTL:   time.Second,
		Expire: func(t testing.TB, id store.SessionID) {
			d := open(t, "zk://"+server.Addr()+"/muster/test")
			require.NoError(t, d.Revoke(context.Background(), id))
			require.NoError(t, d.Close())
		},
		Cut:      func(_ testing.TB, d store.Driver) { d.(*client).proxy.Cut() },
		Freeze:   func(_ testing.TB, d store.Driver) { d.(*client).proxy.BlackHole() },
		Heal:     func(_ testing.TB, d store.Driver) { d.(*client).proxy.Heal() },
		Restart:  func(testing.TB) { server.Stop(); server.Start() },
		Wipe:     func(testing.TB) { server.Wipe() },
		Requests: func(d store.Driver) int { return zkstore.Requests(d.(*client).Driver) },
	})
}
