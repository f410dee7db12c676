package etcdutil_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/compat/etcdutil"
	"github.com/muster-go/muster/internal/bootclock"
	"github.com/muster-go/muster/store"
	"github.com/muster-go/muster/store/memstore"
	"github.com/muster-go/muster/store/storetest"
)

// ttl is that of the candidates in a world.
const ttl = 5 * time.Second

// guarantee is how long a lease surely lives: the TTL less the drift and the margin.
const guarantee = ttl*99/100 - 105*time.Millisecond

// world is a bubble with a memory store in etcd's place, where time is exact.
type world struct {
	*testing.T
	service *memstore.Service
	earlier memstore.Snapshot // for tests that restore it
}

func in(t *testing.T, f func(w world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { f(world{T: t, service: memstore.NewService(bootclock.Clock)}) })
}

// driver is a connection of its own, which can be disturbed.
func (w world) driver() *storetest.Faults {
	return storetest.WithFaults(w.service.Open(), bootclock.Clock)
}

// stand makes a candidate that must have its first answer.
func (w world) stand(name string, heard *events) (*etcdutil.Election, *storetest.Faults) {
	w.Helper()
	d := w.driver()
	c := conf(name, heard)
	c.TTL = int64(ttl / time.Second)
	e, err := etcdutil.NewElectionOn(context.Background(), d, c)
	require.NoError(w, err)
	synctest.Wait()
	return e, d
}

// session gives the session of the i-th candidate in the store.
func (w world) session(i int) store.SessionID {
	w.Helper()
	d := w.service.Open()
	defer func() { _ = d.Close() }()
	snap, err := d.List(context.Background(), "")
	require.NoError(w, err)
	return snap.Records[i].Session
}

// values gives the data of the candidates in the store, in their order.
func (w world) values() []string {
	w.Helper()
	d := w.service.Open()
	defer func() { _ = d.Close() }()
	snap, err := d.List(context.Background(), "")
	require.NoError(w, err)
	values := []string{}
	for _, r := range snap.Records {
		require.Regexp(w, `^mem-\d+$`, r.Key, "nothing else is written")
		values = append(values, string(r.Value))
	}
	return values
}

// shifted is a clock that can be set forward, as by a suspend, without any timer's firing.
type shifted struct {
	store.Clock
	by atomic.Int64
}

func (s *shifted) Now() time.Time { return s.Clock.Now().Add(time.Duration(s.by.Load())) }
