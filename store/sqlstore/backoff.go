package sqlstore

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/muster-go/muster/internal/bootclock"
	"github.com/muster-go/muster/store"
)

// lockClock times the waits for locks, which other processes hold in real time, whatever clock the
// Config has.
var lockClock store.Clock = bootclock.Clock

// backoff is the wait between two tries for a lock. SQLite knows no queue, so whose turn it is is a
// matter of chance; to be fair, who has waited longer tries more often. When the lock isn't fought
// for but held, all slow down.
type backoff struct {
	next  time.Duration
	since time.Time // the first wait
}

const (
	backoffFirst = 4 * time.Millisecond
	backoffLeast = time.Millisecond
	backoffHeld  = 10 * time.Millisecond
	heldAfter    = 3 * time.Second
)

func newBackoff() *backoff { return &backoff{next: backoffFirst, since: lockClock.Now()} }

// sleep gives the context's error, store.ErrClosed once closing is closed, or nil.
func (b *backoff) sleep(ctx context.Context, closing <-chan struct{}) error {
	d := jitter(b.next)
	b.next = max(b.next*7/8, backoffLeast)
	if lockClock.Now().Sub(b.since) > heldAfter {
		b.next = backoffHeld
	}
	return sleep(ctx, lockClock, d, closing)
}

// jitter gives d/2 to d.
func jitter(d time.Duration) time.Duration { return d/2 + rand.N(d/2+1) }

func sleep(ctx context.Context, clk store.Clock, d time.Duration, closing <-chan struct{}) error {
	timer := clk.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.Chan():
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-closing:
		return store.ErrClosed
	}
}
