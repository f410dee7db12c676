package postgres_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/internal/servertest"
	"github.com/muster-go/muster/store"
)

// BenchmarkRenew is one renewal, on a server that syncs nothing to the disk.
func BenchmarkRenew(b *testing.B) {
	p := newPlace(servertest.Shared(b, servertest.PostgreSQL))
	d := opened(b, p, 1)[0]
	id := grant(b, d, time.Hour)
	for b.Loop() {
		require.NoError(b, d.Renew(context.Background(), id))
	}
}

// BenchmarkWrite is one write.
func BenchmarkWrite(b *testing.B) {
	p := newPlace(servertest.Shared(b, servertest.PostgreSQL))
	d := opened(b, p, 1)[0]
	rev := create(b, d, "k", "")
	for b.Loop() {
		o := apply(b, d, store.Write{Kind: store.Update, Key: "k", If: rev, Value: []byte("v")})
		require.NoError(b, o.Err)
		rev = o.Rev
	}
}

// BenchmarkBatch is a batch of a hundred.
func BenchmarkBatch(b *testing.B) {
	p := newPlace(servertest.Shared(b, servertest.PostgreSQL))
	d := opened(b, p, 1)[0]
	writes := make([]store.Write, 100)
	for i := range writes {
		writes[i] = store.Write{Kind: store.Create, Key: fmt.Sprint("k", i)}
	}
	for b.Loop() {
		outcomes, err := d.Apply(context.Background(), writes)
		require.NoError(b, err)
		for i, o := range outcomes {
			require.NoError(b, o.Err)
			writes[i] = store.Write{Kind: store.Update, Key: writes[i].Key, If: o.Rev}
		}
	}
}

// BenchmarkList is a decision's read of one prefix.
func BenchmarkList(b *testing.B) {
	p := newPlace(servertest.Shared(b, servertest.PostgreSQL))
	d := opened(b, p, 1)[0]
	create(b, d, "a/k", "")
	for b.Loop() {
		_, err := d.List(context.Background(), "a/")
		require.NoError(b, err)
	}
}

// BenchmarkWatchLatency writes through one driver and watches through another: the time from just
// before the write until the watch tells.
func BenchmarkWatchLatency(b *testing.B) {
	p := newPlace(servertest.Shared(b, servertest.PostgreSQL))
	d := opened(b, p, 2)
	for b.Loop() {
		took := latencies(b, d[0], d[1], fmt.Sprintf("r%d/", time.Now().UnixNano()), 50)
		b.ReportMetric(float64(took[len(took)/2])/1e6, "p50-ms")
		b.ReportMetric(float64(took[len(took)*98/100])/1e6, "p98-ms")
	}
}
