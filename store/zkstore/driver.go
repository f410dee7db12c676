package zkstore

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-zookeeper/zk"

	"github.com/muster-go/muster/store"
)

// config says where the store is.
type config struct {
	root     string // "" or one that begins with "/", and doesn't end so
	user     string
	password string
	readable bool // by others too
	clock    store.Clock
	logger   *slog.Logger
}

func (c config) shownRoot() string {
	if c.root == "" {
		return "/"
	}
	return c.root
}

// acl is of every node that the driver makes.
func (c config) acl() []zk.ACL {
	if c.user == "" {
		return zk.WorldACL(zk.PermAll)
	}
	acl := zk.AuthACL(zk.PermAll)
	if c.readable {
		acl = append(acl, zk.WorldACL(zk.PermRead)...)
	}
	return acl
}

// driver is the store.Driver.
type driver struct {
	cfg     config
	servers servers
	name    string
	base    time.Time

	limits store.Limits
	tick   time.Duration // a guess, from above: half the shortest timeout of the service's

	ctx    context.Context // ends with Close
	cancel context.CancelFunc

	requests atomic.Int64

	mu       sync.Mutex
	closed   bool
	loops    sync.WaitGroup // begun with spawn
	link     *link          // nil: none
	linkErr  error          // why
	linkedAt chan struct{}  // closed and replaced when link or linkErr changes
	sessions map[store.SessionID]*session
	down     bool // watches are cut off, as was logged
}

func newDriver(cfg config, servers servers) *driver {
	d := &driver{
		cfg: cfg, servers: servers, base: cfg.clock.Now(),
		name:     fmt.Sprintf("zookeeper %s", strings.Join(servers.list(), ",")),
		linkedAt: make(chan struct{}),
		sessions: map[store.SessionID]*session{},
	}
	d.ctx, d.cancel = context.WithCancel(context.Background())
	return d
}

// since is the time on the driver's clock.
func (d *driver) since() time.Duration { return d.cfg.clock.Now().Sub(d.base) }

// Limits implements store.Driver.
func (d *driver) Limits() store.Limits { return d.limits }

// Proof implements store.Driver: nobody can know who else has a ZooKeeper.
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
	sessions, l := slices.Collect(maps.Values(d.sessions)), d.link
	d.mu.Unlock()
	if first {
		for _, s := range sessions {
			s.client.finish(store.ErrClosed, false) // its timeout ends the session
		}
		if l != nil {
			l.finish(store.ErrClosed, true)
		}
	}
	d.cancel()
	d.loops.Wait()
	return nil
}

// spawn runs f in a goroutine that Close waits for, unless the driver is closed.
func (d *driver) spawn(f func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.closed {
		d.loops.Go(f)
	}
}

// mayBegin refuses what can't succeed any more.
func (d *driver) mayBegin(ctx context.Context, what string) error {
	if d.ctx.Err() != nil {
		return store.ErrClosed
	}
	if err := context.Cause(ctx); err != nil {
		return fmt.Errorf("%s: %s: not begun: %w (%w)", d.name, what, err, store.ErrUnreachable)
	}
	return nil
}

// width is how many requests of one call are under way at once.
const width = 64

// parallel calls f for 0 to n-1, several at once, and waits for all.
func parallel(n int, f func(i int)) {
	if n == 1 {
		f(0)
		return
	}
	var group sync.WaitGroup
	var next atomic.Int64
	for range min(n, width) {
		group.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				f(i)
			}
		})
	}
	group.Wait()
}
