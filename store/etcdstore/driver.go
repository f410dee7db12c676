package etcdstore

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"

	"github.com/muster-go/muster/store"
)

// limits are the same for every cluster: Grant refuses what a slower one can't do.
//
// The lag is what a crash may cost that takes etcd's own leader along: up to two election timeouts
// (of 1 s) until there is another one, which lets each lease live for its whole TTL and one election
// timeout more, and half a second until it looks for those that have ended.
var limits = store.Limits{
	MinTTL:       2 * time.Second,
	Granularity:  time.Second,
	ExpiryFactor: 1,
	ExpiryLag:    4 * time.Second,
	MaxRecords:   10_000,
	MaxValue:     1 << 20,
}

// driver is the store.Driver. It speaks to etcd through the client's connection, below the client's
// own watcher and lessor, which hide reconnections and retries.
type driver struct {
	cfg   Config
	wire  *wire // of Open's own client; nil for one of the caller's
	name  string
	kv    pb.KVClient
	lease pb.LeaseClient
	watch pb.WatchClient

	ctx    context.Context // ends with Close, or with the client
	cancel context.CancelFunc

	watches  *line[*watchStream]
	renewals *line[*renewalStream]

	down atomic.Bool // watches are cut off, as was logged

	mu     sync.Mutex
	closed bool
	loops  sync.WaitGroup // begun with spawn
	seen   uint64         // the greatest revision of a linearizable answer
	vetted bool           // the servers' versions are known

	streams map[*watchStream]bool // that carry watches: one, and those that were retired
}

func newDriver(cfg Config, w *wire) *driver {
	conn := cfg.Client.ActiveConnection()
	d := &driver{
		cfg:   cfg,
		wire:  w,
		name:  "etcd " + strings.Join(cfg.Client.Endpoints(), ","),
		kv:    pb.NewKVClient(conn),
		lease: pb.NewLeaseClient(conn),
		watch: pb.NewWatchClient(conn),

		streams: map[*watchStream]bool{},
	}
	d.ctx, d.cancel = context.WithCancel(cfg.Client.Ctx())
	d.watches = &line[*watchStream]{spawn: d.spawn, open: d.openWatchStream}
	d.renewals = &line[*renewalStream]{spawn: d.spawn, open: d.openRenewalStream}
	return d
}

// Limits implements store.Driver.
func (d *driver) Limits() store.Limits { return limits }

// Proof implements store.Driver: nobody can know who else has an etcd.
func (d *driver) Proof(ctx context.Context) (bool, error) {
	if d.ctx.Err() != nil {
		return false, store.ErrClosed
	}
	return false, ctx.Err()
}

// Close implements store.Driver.
func (d *driver) Close() error {
	d.mu.Lock()
	first := !d.closed
	d.closed = true
	d.mu.Unlock()
	d.cancel()
	if first && d.wire != nil {
		_ = d.cfg.Client.Close() // which says nothing of use
	}
	d.loops.Wait()
	return nil
}

// spawn runs f in a goroutine that Close waits for; false once the driver is closed.
func (d *driver) spawn(f func()) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return false
	}
	d.loops.Go(f)
	return true
}

// sight is the greatest revision that is known before a linearizable read or write begins.
func (d *driver) sight() uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.seen
}

// witness notes the revision of a linearizable answer to a request that began when before was known.
// A smaller one means that the store was wiped or restored: every watch must read anew.
func (d *driver) witness(before, rev uint64) {
	d.mu.Lock()
	back := rev < before
	if back && d.seen == before || rev > d.seen {
		d.seen = rev
	}
	var streams []*watchStream
	if back {
		streams = slices.Collect(maps.Keys(d.streams))
	}
	d.mu.Unlock()
	if back {
		d.cfg.Logger.Warn("etcd's revision ran backwards: it was wiped or restored", "store", d.name, "from", before, "to", rev)
		for _, s := range streams {
			s.end(errWentBack)
		}
	}
}
