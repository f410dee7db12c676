package queues

import (
	"context"
	"flag"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/claimer"
	"github.com/muster-go/muster/claimer/claimertest"
	"github.com/muster-go/muster/internal/servertest"
	"github.com/muster-go/muster/store"
	"github.com/muster-go/muster/store/consulstore"
)

func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler))
	flag.Parse()
	if err := flag.Set("test.parallel", "4"); err != nil { // the tests wait, for the most part
		panic(err)
	}
	servertest.VerifyTestMain(m)
}

func TestQueueOnConsulPassesTheKit(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute: left out by -short")
	}
	const ttl = 1500 * time.Millisecond
	server := servertest.Shared(t, servertest.Consul)
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
			st, err := store.Openers{"consul": consulstore.Open}.Open(context.Background(),
				"consul://"+proxy.Endpoint()+"/muster/test", store.Config{Logger: log, Fresh: true})
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
		WorstFailover: 2*ttl*101/100 + time.Second, // Consul doesn't lose its leader here
		Cut:           lever((*servertest.Proxy).Cut),
		Freeze:        lever((*servertest.Proxy).BlackHole),
		Heal:          lever((*servertest.Proxy).Heal),
		Kill:          lever((*servertest.Proxy).BlackHole),
	})
}
