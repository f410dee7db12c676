package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/muster-go/muster/store"
	"github.com/muster-go/muster/store/sqlstore/internal/feed"
)

// patience is the longest that a call waits for locks.
const patience = 15 * time.Second

// driver is the store.Driver. Its poll loop opens the handle anew when the file is lost.
type driver struct {
	cfg     SQLiteConfig
	closing chan struct{}
	polling sync.WaitGroup
	nudge   chan struct{} // capacity 1: poll now
	feed    *feed.Feed[*handle]

	requests atomic.Int64 // polls, reads and tries to write

	mu      sync.Mutex
	closed  bool
	handle  *handle // nil while the file is lost
	lost    error   // why
	present *presence
	lastEnd time.Time // of the latest write, on lockClock
	unsaved bool      // commits of this driver may stand in the -wal file only
}

func newDriver(cfg SQLiteConfig) *driver {
	d := &driver{
		cfg:     cfg,
		closing: make(chan struct{}),
		nudge:   make(chan struct{}, 1),
	}
	d.feed = d.newFeed()
	return d
}

func (d *driver) start(ctx context.Context) error {
	h, present, err := d.openHandle(ctx, true)
	if err != nil {
		return err
	}
	d.handle, d.present = h, present
	d.polling.Go(newPoll(d, h).run)
	return nil
}

// Limits implements store.Driver. The lag covers two polls, the reads and the deleting transaction
// on a busy machine.
func (d *driver) Limits() store.Limits {
	return store.Limits{
		MinTTL:       time.Second,
		ExpiryFactor: expiryFactor,
		ExpiryLag:    500 * time.Millisecond,
		MaxRecords:   10_000,
		MaxValue:     1 << 20,
	}
}

// Proof implements store.Driver.
func (d *driver) Proof(ctx context.Context) (bool, error) {
	if proven, err := d.isProven(ctx); err != nil || !proven {
		return false, err
	}
	taken := false
	err := d.write(ctx, func(tx *tx) error {
		this := identity(tx.real)
		if this == "" {
			return nil
		}
		n, err := tx.do(sqlTakeProof, this)
		taken = n > 0
		return err
	})
	return taken && err == nil, err
}

func (d *driver) isProven(ctx context.Context) (bool, error) {
	proven := ""
	err := d.read(ctx, func(h *handle, c *conn) error { return c.one(sqlProven, nil, &proven) })
	return proven != "", err
}

// Close implements store.Driver.
func (d *driver) Close() error {
	d.mu.Lock()
	first := !d.closed
	d.closed = true
	h := d.handle
	d.handle = nil
	d.mu.Unlock()
	if first {
		close(d.closing)
		if h != nil {
			close(h.gone)
		}
	}
	d.polling.Wait()
	if first {
		if h != nil {
			h.release()
			<-h.closed
		}
		d.present.close()
	}
	return nil
}

// current gives the handle, with a share that the caller releases.
func (d *driver) current() (*handle, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.closed:
		return nil, store.ErrClosed
	case d.handle == nil || !d.handle.use():
		return nil, fmt.Errorf("%w (%w)", d.lost, store.ErrUnreachable) // lost has no class
	}
	return d.handle, nil
}

// lose gives the handle up because of err; the poll loop opens another one.
func (d *driver) lose(h *handle, err error) {
	d.mu.Lock()
	if d.handle != h {
		d.mu.Unlock()
		return
	}
	d.handle, d.lost = nil, opaque(err)
	close(h.gone)
	d.mu.Unlock()
	h.release()
	d.cfg.Logger.Warn("SQLite store lost; opening what stands at the path", "path", d.cfg.Path, "err", err)
	d.wake()
}

// found puts the new handle in place; false once the driver is closed.
func (d *driver) found(h *handle, present *presence) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return false
	}
	d.present.close() // only now: this process was present all the time
	d.handle, d.lost, d.present = h, nil, present
	return true
}

func (d *driver) wake() {
	select {
	case d.nudge <- struct{}{}:
	default:
	}
}

// bounded gives a context that ends with ctx, or after patience.
func bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	timer := lockClock.AfterFunc(patience, func() { cancel(errPatience) })
	return ctx, func() {
		timer.Stop()
		cancel(nil)
	}
}

var errPatience = errors.New("waited 15s")
