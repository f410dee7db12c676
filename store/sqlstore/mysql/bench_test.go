package mysql_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/internal/servertest"
	"github.com/muster-go/muster/store"
)

// synced is a server that writes to the disk, as real ones do.
var synced = servertest.MariaDBWith("--innodb-flush-method=fsync")

func BenchmarkRenew(b *testing.B) {
	p := newPlace(b, servertest.Shared(b, synced))
	d := open(b, p.url(p.addr))
	defer func() { _ = d.Close() }()
	id, err := d.Grant(b.Context(), time.Hour)
	require.NoError(b, err)
	b.Run("one after the other", func(b *testing.B) {
		for b.Loop() {
			require.NoError(b, d.Renew(b.Context(), id))
		}
	})
	b.Run("of many sessions at once", func(b *testing.B) {
		b.SetParallelism(8)
		b.RunParallel(func(pb *testing.PB) {
			id, err := d.Grant(b.Context(), time.Hour)
			require.NoError(b, err)
			for pb.Next() {
				require.NoError(b, d.Renew(b.Context(), id))
			}
		})
	})
}

func BenchmarkApply(b *testing.B) {
	p := newPlace(b, servertest.Shared(b, synced))
	d := open(b, p.url(p.addr))
	defer func() { _ = d.Close() }()
	for _, size := range []int{1, 100} {
		b.Run(fmt.Sprintf("%d writes", size), func(b *testing.B) {
			writes := make([]store.Write, size)
			for n := 0; b.Loop(); n++ {
				for i := range writes {
					writes[i] = store.Write{Kind: store.Create, Key: fmt.Sprintf("%d/%d/%d", b.N, n, i), Value: []byte("value")}
				}
				_, err := d.Apply(b.Context(), writes)
				require.NoError(b, err)
			}
		})
	}
}

// BenchmarkWatch measures the time from the call of a write to its event at another client.
func BenchmarkWatch(b *testing.B) {
	p := newPlace(b, servertest.Shared(b, synced))
	writer, reader := open(b, p.url(p.addr)), open(b, p.url(p.addr))
	defer func() { _, _ = writer.Close(), reader.Close() }()
	ctx, cancel := context.WithCancel(b.Context())
	events := make(chan store.Event, 16)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = reader.Watch(ctx, "w/", func(e store.Event) { events <- e })
	}()
	<-events
	var took []time.Duration
	for n := 0; b.Loop(); n++ {
		began := time.Now()
		_, err := writer.Apply(ctx, []store.Write{{Kind: store.Create, Key: fmt.Sprintf("w/%d-%d", b.N, n)}})
		require.NoError(b, err)
		<-events
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
	cancel()
	<-done
}
