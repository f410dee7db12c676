package server

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/muster-go/muster/store"
	"github.com/muster-go/muster/store/sqlstore/internal/feed"
	"github.com/muster-go/muster/store/sqlstore/internal/keys"
)

// limits are the same for all servers. The lag covers what passes until an observer reads a renewal
// number (mostSeldom), until a watch polls (idle), and the requests for both on a busy machine.
var limits = store.Limits{
	MinTTL:       time.Second,
	ExpiryFactor: expiryFactor,
	ExpiryLag:    time.Second,
	MaxRecords:   10_000,
	MaxValue:     1 << 20,
}

// Driver is the store.Driver.
type Driver struct {
	cfg  Config
	sql  statements
	feed *feed.Feed[uint64]

	exact bool // see exact

	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	loops  sync.WaitGroup
	nudge  chan struct{} // capacity 1: poll now
	polls  chan struct{} // a token for each request of the poll loop and the listener
	lists  chan struct{} // a token for each read of a watch

	requests atomic.Int64
	opened   atomic.Bool
	hearing  atomic.Bool // notices tell of every change

	mu      sync.Mutex
	history history
}

// history is what a driver knows of the store that it follows.
type history struct {
	store      string
	generation uint64
	start      uint64 // the revision at which the generation began
	seen       uint64 // the greatest revision of an answer
}

// Open makes a driver, and the tables if there are none and it may. It fails with the class of
// store.Opener.
func Open(ctx context.Context, cfg Config) (*Driver, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	d := &Driver{
		cfg:   cfg,
		nudge: make(chan struct{}, 1),
		polls: make(chan struct{}, ownCalls),
		lists: make(chan struct{}, ownCalls),
		exact: exact(cfg.DB) && exact(cfg.Steady),
	}
	d.sql = cfg.Dialect.statements.with(d.names)
	d.ctx, d.cancel = context.WithCancel(context.WithoutCancel(ctx))
	d.feed = feed.New(feed.Config[uint64]{
		List: d.listForWatch, Clock: cfg.Clock, Retry: cfg.Poll, Closing: d.ctx.Done(),
		Fatal: func(err error) bool { return errors.Is(err, store.ErrClosed) || errors.Is(err, store.ErrInvalid) },
	})
	m, err := d.prepare(ctx)
	if err != nil {
		d.cancel()
		if cfg.Close != nil {
			cfg.Close()
		}
		return nil, err
	}
	d.opened.Store(true)
	d.history = history{store: m.store, generation: 1, start: m.rev, seen: m.rev}
	d.loops.Go(newPoll(d, m).run)
	if cfg.Listen != nil {
		d.loops.Go(d.listen)
	}
	return d, nil
}

// names puts the tables' names into a statement.
func (d *Driver) names(sql string) string { return d.cfg.Dialect.tables(d.cfg.Names, sql) }

// Limits implements store.Driver.
func (d *Driver) Limits() store.Limits { return limits }

// Proof implements store.Driver: nobody can know who else reaches a server.
func (d *Driver) Proof(ctx context.Context) (bool, error) {
	if d.ctx.Err() != nil {
		return false, store.ErrClosed
	}
	return false, ctx.Err()
}

// Close implements store.Driver. It waits for none of the requests that are under way.
func (d *Driver) Close() error {
	d.mu.Lock()
	first := d.ctx.Err() == nil
	d.cancel()
	d.mu.Unlock()
	d.loops.Wait()
	if first && d.cfg.Close != nil {
		d.cfg.Close()
	}
	return nil
}

// Watch implements store.Driver.
func (d *Driver) Watch(ctx context.Context, prefix string, emit func(store.Event)) error {
	if d.ctx.Err() != nil {
		return store.ErrClosed
	}
	if err := keys.CheckPrefix(prefix); err != nil {
		return err
	}
	return d.feed.Watch(ctx, prefix, emit)
}

// Requests is how often the driver has asked the server for something.
func (d *Driver) Requests() int { return int(d.requests.Load()) }

// sight is what is known before a request begins.
func (d *Driver) sight() history {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.history
}

// witness takes in a revision of an answer to a request that began when before was known, and gives
// the generation that the answer belongs to. Another store, or a smaller revision, begins a new one.
func (d *Driver) witness(before history, id string, rev uint64) uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.history.generation != before.generation:
		return before.generation // an answer of the past, for all that is known: watches read anew
	case id != before.store || rev < before.seen:
		d.begin(id, rev)
	default:
		d.history.seen = max(d.history.seen, rev)
	}
	return d.history.generation
}

// diverged begins a new generation of the one that is given, unless somebody did.
func (d *Driver) diverged(generation uint64, id string, rev uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.history.generation == generation {
		d.begin(id, rev)
	}
}

// begin begins a new generation: every watch reads anew. d.mu is locked.
func (d *Driver) begin(id string, rev uint64) {
	d.cfg.Logger.Warn("the store was wiped, restored, or has lost commits: reading it anew", "store", d.cfg.Name, "from", d.history.seen, "to", rev)
	d.history = history{store: id, generation: d.history.generation + 1, start: rev, seen: rev}
	d.feed.Tell(feed.Item[uint64]{Kind: store.EventReset, From: d.history.generation})
	d.wake()
}

func (d *Driver) wake() {
	select {
	case d.nudge <- struct{}{}:
	default:
	}
}

// mark is a commit's random number.
func mark() int64 {
	var b [8]byte
	_, _ = rand.Read(b[:]) // it never fails
	return int64(binary.LittleEndian.Uint64(b[:]) >> 1)
}

// newID names a session or a store.
func newID() string { return rand.Text() }

// isID tells whether a name can be one that newID gave: those of nobody are never sent.
func isID(id store.SessionID) bool {
	return len(id) == 26 && strings.Trim(string(id), "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") == ""
}

// sent is the name of a session as it is sent: one that can't be is that of none, for a server refuses
// some bytes.
func sent(id store.SessionID) string {
	if !isID(id) {
		return ""
	}
	return string(id)
}

// channel is where notices of changes are told.
func (d *Driver) channel() string { return d.cfg.Names.Schema + "." + d.cfg.Names.Prefix + "changes" }

// sleep waits on the driver's clock; false if ctx ended.
func (d *Driver) sleep(ctx context.Context, wait time.Duration) bool {
	timer := d.cfg.Clock.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.Chan():
		return true
	case <-ctx.Done():
		return false
	}
}

// meta is the row of the table of that name, with the life of the server that gave it.
type meta struct {
	store string
	rev   uint64
	mark  int64
	life  string
}

// schemaVersion is the version of the tables that this package knows.
const schemaVersion = 1

func (d *Driver) readMeta(ctx context.Context, c *sql.Conn) (meta, error) {
	var m meta
	var version, writable int
	err := c.QueryRowContext(ctx, d.sql.meta).Scan(&version, &m.store, &m.rev, &m.mark, &m.life, &writable)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return m, errNoTables // somebody is creating them
	case err != nil:
		return m, err
	case version > schemaVersion:
		return m, fmt.Errorf("%s: the tables were made by a newer version of Muster (schema %d, this one knows %d): upgrade this one, or choose another prefix: %w", d.cfg.Name, version, schemaVersion, store.ErrInvalid)
	case writable == 0:
		return m, d.explainFault("reading", faultReadOnly, errReadOnly)
	}
	return m, nil
}

var errReadOnly = errors.New("the server is read-only")
