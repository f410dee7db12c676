package etcdstore_test

import (
	"context"
	"log/slog"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/muster-go/muster/claimer"
	"github.com/muster-go/muster/claimer/claimertest"
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

func TestQueueOnEtcdPassesTheKit(t *testing.T) {
	if testing.Short() {
		t.Skip("takes most of a minute: left out by -short")
	}
	t.Parallel() // TestConformance can't be: it looks for goroutines that are left
	const ttl = 2 * time.Second
	l := newLab(t)
	log := slog.New(slog.DiscardHandler)
	var mu sync.Mutex
	drivers := map[claimer.Claimer]*client{}
	lever := func(pull func(d *client)) func(claimer.Claimer) {
		return func(c claimer.Claimer) {
			mu.Lock()
			defer mu.Unlock()
			pull(drivers[c])
		}
	}
	claimertest.Run(t, claimertest.Harness{
		Open: func(t testing.TB) claimer.Claimer {
			d := l.open(t)
			st, err := store.New(store.Config{Driver: d, Logger: log, Fresh: true})
			require.NoError(t, err)
			q, err := claimer.New(claimer.Config{Store: st, TTL: ttl, Logger: log})
			require.NoError(t, err)
			t.Cleanup(func() {
				d.proxy.Heal()
				_ = q.Close()
				_ = st.Close()
			})
			mu.Lock()
			defer mu.Unlock()
			drivers[q] = d
			return q
		},
		Duration:      ttl * 8 / 10,
		WorstFailover: ttl*101/100 + time.Second,
		Cut:           lever(func(d *client) { d.proxy.Cut() }),
		Freeze:        lever(func(d *client) { d.proxy.BlackHole() }),
		Heal:          lever(func(d *client) { d.proxy.Heal() }),
		Kill:          lever(func(d *client) { d.proxy.BlackHole() }),
	})
}
