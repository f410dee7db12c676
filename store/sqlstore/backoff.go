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

// backoff is the wait between two tries for a lock. SQLite knows no queue, so fairness is a matter
// of chance: all wait about equally long, however long they have waited, and never long.
type backoff struct{ next, longest time.Duration }

func newBackoff(first, longest time.Duration) *backoff { return &backoff{first, longest} }

// sleep gives the context's error, store.ErrClosed once closing is closed, or nil.
func (b *backoff) sleep(ctx context.Context, closing <-chan struct{}) error {
	d := jitter(b.next)
	b.next = min(2*b.next, b.longest)
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
