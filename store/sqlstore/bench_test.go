//go:build unix

package sqlstore_test

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/store"
)

// BenchmarkAtRest reports the share of a core that an agent's store takes while nothing happens:
// one session renewed every third of 15 s, three watches.
func BenchmarkAtRest(b *testing.B) {
	d := open(b, newPath(b))
	id := grant(b, d, 15*time.Second)
	for i := range 3 {
		watch(b, d, fmt.Sprintf("prefix%d/", i))
	}
	renewals := time.NewTicker(5 * time.Second)
	defer renewals.Stop()
	var rest, used time.Duration
	for b.Loop() {
		second, before, start := time.NewTimer(time.Second), cpu(b), time.Now()
	wait:
		for {
			select {
			case <-renewals.C:
				require.NoError(b, d.Renew(context.Background(), id))
			case <-second.C:
				break wait
			}
		}
		used += cpu(b) - before
		rest += time.Since(start)
	}
	b.ReportMetric(100*used.Seconds()/rest.Seconds(), "%core")
}

func cpu(tb testing.TB) time.Duration {
	var usage syscall.Rusage
	require.NoError(tb, syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// BenchmarkWatchLatency writes through one driver and watches through another: the time from just
// before the write until the watch tells.
func BenchmarkWatchLatency(b *testing.B) {
	path := newPath(b)
	writer, reader := open(b, path), open(b, path)
	rev := create(b, writer, "k", "")
	var mu sync.Mutex
	var took []time.Duration
	told := make(chan struct{}, 1)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = reader.Watch(ctx, "k", func(e store.Event) {
			if e.Kind == store.EventPut {
				sent, _ := strconv.ParseInt(string(e.Record.Value), 10, 64)
				mu.Lock()
				took = append(took, time.Since(epoch.Add(time.Duration(sent))))
				mu.Unlock()
			}
			told <- struct{}{}
		})
	}()
	<-told
	var wrote []time.Duration
	for b.Loop() {
		start := time.Since(epoch)
		now := strconv.FormatInt(int64(start), 10)
		o := apply(b, writer, store.Write{Kind: store.Update, Key: "k", If: rev, Value: []byte(now)})
		require.NoError(b, o.Err)
		wrote = append(wrote, time.Since(epoch)-start)
		rev = o.Rev
		<-told
	}
	cancel()
	<-done
	slices.Sort(took)
	slices.Sort(wrote)
	b.ReportMetric(float64(wrote[len(wrote)*99/100])/1e6, "write-p99-ms")
	b.ReportMetric(float64(took[len(took)/2])/1e6, "p50-ms")
	b.ReportMetric(float64(took[len(took)*99/100])/1e6, "p99-ms")
}

var epoch = time.Now()

// BenchmarkRenew is one renewal, with its sync to the disk.
func BenchmarkRenew(b *testing.B) {
	d := open(b, newPath(b))
	id := grant(b, d, 15*time.Second)
	for b.Loop() {
		require.NoError(b, d.Renew(context.Background(), id))
	}
}
