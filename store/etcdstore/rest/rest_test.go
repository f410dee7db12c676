package rest

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/claimer"
	"github.com/muster-go/muster/internal/etcdtest"
	"github.com/muster-go/muster/store"
	"github.com/muster-go/muster/store/etcdstore"
	"github.com/muster-go/muster/tracker"
)

// fleet is one process that leads elections, with an etcd of its own, whose requests are counted.
type fleet struct {
	server *etcdtest.Server
}

func newFleet(t *testing.T, elections int, ttl time.Duration) *fleet {
	t.Helper()
	f := &fleet{server: etcdtest.Start(t, etcdtest.Settings{})}
	st, err := store.Openers{"etcd": etcdstore.Open}.Open(t.Context(), f.server.URL("fleet")+"?fresh=true", store.Config{})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, st.Close()) })
	queue, err := claimer.New(claimer.Config{Store: st, TTL: ttl})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, queue.Close()) })
	var workers []*tracker.Worker
	for i := range elections {
		worker, err := tracker.New(tracker.Config{
			Claimer: queue, Candidate: claimer.Candidate{Name: fmt.Sprintf("e-%d", i), Holder: "box"},
			Duration: ttl * 2 / 5,
		})
		require.NoError(t, err)
		t.Cleanup(func() { assert.NoError(t, worker.Wait()) })
		t.Cleanup(worker.Kill)
		workers = append(workers, worker)
	}
	require.Eventually(t, func() bool {
		return !slices.ContainsFunc(workers, func(w *tracker.Worker) bool {
			_, _, leads := w.Leadership()
			return !leads
		})
	}, 2*time.Minute, 20*time.Millisecond, "not all %d elections are led", elections)
	return f
}

func total(counts map[string]int) int {
	sum := 0
	for n := range maps.Values(counts) {
		sum += n
	}
	return sum
}

func TestAThousandElectionsAtRestCostAsManyRequestsAsOne(t *testing.T) {
	const ttl = 10 * time.Second // a busy machine must not lose a lease
	one, many := newFleet(t, 1, ttl), newFleet(t, 1000, ttl)
	// What the joining left to do may take a while: the lease looks for ghosts for two TTLs if a busy
	// machine made it give up a request.
	for window := 1; ; window++ {
		oneBefore, manyBefore, began := one.server.Requests(), many.server.Requests(), time.Now()
		<-time.After(8 * time.Second)
		oneAfter, manyAfter, took := one.server.Requests(), many.server.Requests(), time.Since(began).Seconds()
		ofOne, ofMany := total(oneAfter)-total(oneBefore), total(manyAfter)-total(manyBefore)
		t.Logf("one election: %.2f requests/s; a thousand: %.2f requests/s", float64(ofOne)/took, float64(ofMany)/took)
		require.Positive(t, ofOne)
		// Each of the few things that happen may fall into the one's window and not into the other's.
		if ofMany <= ofOne+4 {
			return
		}
		require.Less(t, window, 8, "one: %v → %v; a thousand: %v → %v", oneBefore, oneAfter, manyBefore, manyAfter)
	}
}
