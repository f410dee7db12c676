package etcdstore_test

import (
	"context"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/muster-go/muster/internal/bootclock"
	"github.com/muster-go/muster/store"
	"github.com/muster-go/muster/store/etcdstore"
	"github.com/muster-go/muster/store/storetest"
)

func TestConformance(t *testing.T) {
	l := newLab(t)
	storetest.Run(t, storetest.Harness{
		Open:  func(t testing.TB) store.Driver { return l.open(t) },
		Clock: bootclock.Clock,
		TTL:   2 * time.Second,
		Expire: func(t testing.TB, id store.SessionID) {
			_, err := l.Client().Revoke(context.Background(), leaseID(t, id))
			require.NoError(t, err)
		},
		Cut:      func(_ testing.TB, d store.Driver) { d.(*client).proxy.Cut() },
		Freeze:   func(_ testing.TB, d store.Driver) { d.(*client).proxy.BlackHole() },
		Heal:     func(_ testing.TB, d store.Driver) { d.(*client).proxy.Heal() },
		Restart:  func(testing.TB) { l.Stop(); l.Start() },
		Wipe:     func(testing.TB) { l.Wipe() },
		Requests: func(d store.Driver) int { return etcdstore.Requests(d.(*client).Driver) },
	})
}

// leaseID is the lease that a session is.
func leaseID(t testing.TB, id store.SessionID) clientv3.LeaseID {
	t.Helper()
	lease, err := strconv.ParseUint(string(id), 16, 64)
	require.NoError(t, err)
	return clientv3.LeaseID(lease)
}
