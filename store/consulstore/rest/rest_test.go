package rest

import (
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/claimer"
	"github.com/muster-go/muster/internal/servertest"
	"github.com/muster-go/muster/store"
	"github.com/muster-go/muster/store/consulstore"
	"github.com/muster-go/muster/tracker"
)

func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler))
	servertest.VerifyTestMain(m)
}

// fleet is two processes that stand for the same elections, which the first one leads. What the second
// one asks of Consul is counted.
type fleet struct {
	requests, conns atomic.Int64
}

func newFleet(t *testing.T, elections int, ttl time.Duration) *fleet {
	t.Helper()
	server := servertest.Start(t, servertest.Consul)
	f := &fleet{}
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: server.Addr()})
	proxy.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug)
	transport := &http.Transport{}
	proxy.Transport = transport
	front := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.requests.Add(1)
		proxy.ServeHTTP(w, r)
	}))
	front.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		switch s {
		case http.StateNew:
			f.conns.Add(1)
		case http.StateClosed, http.StateHijacked:
			f.conns.Add(-1)
		}
	}
	front.Start()
	t.Cleanup(func() { front.CloseClientConnections(); front.Close(); transport.CloseIdleConnections() })

	stand := func(holder, addr string) (workers []*tracker.Worker) {
		st, err := store.Openers{"consul": consulstore.Open}.Open(t.Context(), "consul://"+addr+"/fleet?fresh=true", store.Config{})
		require.NoError(t, err)
		t.Cleanup(func() { assert.NoError(t, st.Close()) })
		queue, err := claimer.New(claimer.Config{Store: st, TTL: ttl})
		require.NoError(t, err)
		t.Cleanup(func() { assert.NoError(t, queue.Close()) })
		for i := range elections {
			worker, err := tracker.New(tracker.Config{
				Claimer: queue, Candidate: claimer.Candidate{Name: fmt.Sprintf("e-%d", i), Holder: holder},
				Duration: ttl * 2 / 5,
			})
			require.NoError(t, err)
			t.Cleanup(func() { assert.NoError(t, worker.Wait()) })
			t.Cleanup(worker.Kill)
			workers = append(workers, worker)
		}
		return workers
	}
	began := time.Now()
	leaders := stand("first", server.Addr())
	require.Eventually(t, func() bool {
		return !slices.ContainsFunc(leaders, func(w *tracker.Worker) bool {
			_, _, leads := w.Leadership()
			return !leads
		})
	}, 3*time.Minute, 20*time.Millisecond)
	t.Logf("%d elections led after %v", elections, time.Since(began))
	began = time.Now()
	for _, w := range stand("second", front.Listener.Addr().String()) { // the answer to the first Claim
		require.False(t, w.ClaimLeader().Wait())
	}
	t.Logf("%d elections waited for after %v", elections, time.Since(began))
	return f
}

func TestThreeHundredElectionsAtRestCostAsManyRequestsAsOneAndFewConnections(t *testing.T) {
	if testing.Short() {
		t.Skip("takes most of a minute: left out by -short")
	}
	const ttl = 20 * time.Second // a busy machine must not lose a lease
	one, many := newFleet(t, 1, ttl), newFleet(t, 300, ttl)
	// What the joining left to do may take a while.
	for window := 1; ; window++ {
		oneBefore, manyBefore := one.requests.Load(), many.requests.Load()
		<-time.After(8 * time.Second)
		ofOne, ofMany := one.requests.Load()-oneBefore, many.requests.Load()-manyBefore
		t.Logf("in 8 s one election: %d requests; three hundred: %d requests, on %d connections", ofOne, ofMany, many.conns.Load())
		require.Positive(t, ofOne)
		// Each of the few things that happen may fall into the one's window and not into the other's.
		if ofMany <= ofOne+6 {
			break
		}
		require.Less(t, window, 8)
	}
	assert.LessOrEqual(t, many.conns.Load(), int64(40))
}
