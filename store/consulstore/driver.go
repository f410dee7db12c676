package consulstore

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/muster-go/muster/store"
)

const (
	// usualMinTTL is session_ttl_min of a Consul on which nobody changed it.
	usualMinTTL = 10 * time.Second
	// maxTTL is Consul's own limit.
	maxTTL = 24 * time.Hour
	// election is for how long Consul may have no leader after its leader died, with its usual
	// raft_multiplier of 5.
	election = 12 * time.Second
)

// limitsFor gives the limits of a Consul whose shortest session is minTTL. Consul ends a session when it
// wasn't renewed for twice its TTL. A new leader lets each live for that long from its election, for
// which the lag has room when it falls together with the crash of the session's owner.
func limitsFor(minTTL time.Duration) store.Limits {
	return store.Limits{
		MinTTL:       minTTL,
		MaxTTL:       maxTTL,
		ExpiryFactor: 2,
		ExpiryLag:    election,
		MaxRecords:   10_000,
		MaxValue:     256 << 10,
	}
}

// driver is the store.Driver.
type driver struct {
	a         address
	name      string
	client    *api.Client
	transport *http.Transport
	requests  *atomic.Int64 // that were made
	clk       store.Clock
	log       *slog.Logger
	limits    store.Limits

	ctx    context.Context // ends with Close
	cancel context.CancelFunc

	hub  hub
	down atomic.Bool // watches are cut off, as was logged

	mu     sync.Mutex
	closed bool
	loops  sync.WaitGroup // begun with spawn
	seen   uint64         // the greatest index of an answer
}

// Limits implements store.Driver.
func (d *driver) Limits() store.Limits { return d.limits }

// Proof implements store.Driver: nobody can know who else has a Consul.
func (d *driver) Proof(ctx context.Context) (bool, error) {
	if d.ctx.Err() != nil {
		return false, store.ErrClosed
	}
	return false, ctx.Err()
}

// Close implements store.Driver.
func (d *driver) Close() error {
	d.mu.Lock()
	d.closed = true
	d.mu.Unlock()
	d.cancel()
	d.loops.Wait()
	d.transport.CloseIdleConnections()
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

// sight is the greatest index that is known before a consistent read or a write begins.
func (d *driver) sight() uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.seen
}

// witness notes the index of the newest commit, as an answer showed it to a request that began when
// before was known. A smaller one means that the store was wiped or restored: every watch must read
// anew.
func (d *driver) witness(before, index uint64) {
	d.mu.Lock()
	back := index < before
	if back && d.seen == before || index > d.seen {
		d.seen = index
	}
	d.mu.Unlock()
	if back {
		d.log.Warn("Consul's index ran backwards: it was wiped or restored", "store", d.name, "from", before, "to", index)
		d.hub.disturb(errWentBack)
	}
}
