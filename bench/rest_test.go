package bench_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/claimer"
	"github.com/muster-go/muster/internal/etcdtest"
	"github.com/muster-go/muster/store"
	"github.com/muster-go/muster/store/etcdstore"
	"github.com/muster-go/muster/tracker"
)

// restTTL makes many renewals in a short time.
const restTTL = 3 * time.Second

// BenchmarkAtRest measures the requests a second of one process that leads, and does nothing else.
func BenchmarkAtRest(b *testing.B) {
	for _, elections := range []int{1, 1000} {
		b.Run(fmt.Sprint(elections), func(b *testing.B) {
			server := etcdtest.Start(b, etcdtest.Settings{})
			st, err := store.Open(context.Background(), server.URL("rest")+"?fresh=true", store.Openers{"etcd": etcdstore.Open})
			require.NoError(b, err)
			defer func() { require.NoError(b, st.Close()) }()
			queue, err := claimer.New(claimer.Config{Store: st, TTL: restTTL})
			require.NoError(b, err)
			defer func() { require.NoError(b, queue.Close()) }()
			for i := range elections {
				worker, err := tracker.New(tracker.Config{
					Claimer: queue, Candidate: claimer.Candidate{Name: fmt.Sprint("e-", i), Holder: "box"}, Duration: restTTL * 2 / 5,
				})
				require.NoError(b, err)
				defer func() { require.NoError(b, worker.Wait()) }()
				defer worker.Kill()
				require.True(b, worker.WaitLeader().Wait())
			}
			<-time.After(3 * restTTL) // what the joining left to do is done: ghosts are looked for for two TTLs
			before, began := requests(server), time.Now()
			for b.Loop() {
				<-time.After(restTTL / 15) // 60 of them are four TTLs
			}
			b.ReportMetric(float64(requests(server)-before)/time.Since(began).Seconds(), "requests/s")
			b.ReportMetric(0, "ns/op")
		})
	}
}

func requests(server *etcdtest.Server) int {
	sum := 0
	for _, n := range server.Requests() {
		sum += n
	}
	return sum
}
