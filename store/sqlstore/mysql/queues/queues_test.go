package queues

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/claimer"
	"github.com/muster-go/muster/claimer/claimertest"
	"github.com/muster-go/muster/internal/servertest"
	"github.com/muster-go/muster/store"
	"github.com/muster-go/muster/store/sqlstore/mysql"
)

func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler)) // which Open logs to
	servertest.VerifyTestMain(m)
}

func TestQueueOnMariaDBPassesTheKit(t *testing.T) {
	if testing.Short() {
		t.Skip("takes most of a minute: left out by -short")
	}
	const ttl = 1500 * time.Millisecond
	server := servertest.Shared(t, servertest.MariaDB)
	log := slog.New(slog.DiscardHandler)
	var mu sync.Mutex
	proxies := map[claimer.Claimer]*servertest.Proxy{}
	lever := func(pull func(*servertest.Proxy)) func(claimer.Claimer) {
		return func(c claimer.Claimer) {
			mu.Lock()
			defer mu.Unlock()
			pull(proxies[c])
		}
	}
	var worst time.Duration
	open := func(t testing.TB) claimer.Claimer {
		proxy := servertest.NewProxy(t, server.Addr())
		url := "mysql://root@" + proxy.Endpoint() + "/test"
		st, err := store.Openers{"mysql": mysql.Open}.Open(context.Background(), url, store.Config{Logger: log, Fresh: true})
		require.NoError(t, err)
		q, err := claimer.New(claimer.Config{Store: st, TTL: ttl, Logger: log})
		require.NoError(t, err)
		t.Cleanup(func() {
			proxy.Heal()
			_ = q.Close()
			_ = st.Close()
			proxy.Close()
		})
		mu.Lock()
		defer mu.Unlock()
		proxies[q] = proxy
		worst = st.Limits().WorstFailover(ttl)
		return q
	}
	open(t) // which tells the limits
	claimertest.Run(t, claimertest.Harness{
		Open:          open,
		Duration:      ttl * 8 / 10,
		WorstFailover: worst,
		Cut:           lever((*servertest.Proxy).Cut),
		Freeze:        lever((*servertest.Proxy).BlackHole),
		Heal:          lever((*servertest.Proxy).Heal),
		Kill:          lever((*servertest.Proxy).BlackHole),
	})
}
