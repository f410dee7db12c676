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
	"github.com/muster-go/muster/store/sqlstore/postgres"
)

func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler))
	servertest.VerifyTestMain(m)
}

func TestQueueOnPostgreSQLPassesTheKit(t *testing.T) {
	if testing.Short() {
		t.Skip("takes most of a minute: left out by -short")
	}
	const ttl = 2 * time.Second
	server := servertest.Shared(t, servertest.PostgreSQL)
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
	claimertest.Run(t, claimertest.Harness{
		Open: func(t testing.TB) claimer.Claimer {
			proxy := servertest.NewProxy(t, server.Addr())
			url := "postgres://postgres@" + proxy.Endpoint() + "/postgres?sslmode=disable"
			st, err := store.Openers{"postgres": postgres.Open}.Open(context.Background(), url, store.Config{Logger: log, Fresh: true})
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
			return q
		},
		Duration:      ttl * 8 / 10,
		WorstFailover: ttl*101/100 + time.Second,
		Cut:           lever((*servertest.Proxy).Cut),
		Freeze:        lever((*servertest.Proxy).BlackHole),
		Heal:          lever((*servertest.Proxy).Heal),
		Kill:          lever((*servertest.Proxy).BlackHole),
	})
}
