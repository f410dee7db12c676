package zkstore

import (
	"context"
	"math/rand/v2"
	"time"
)

const (
	backoffFirst = 50 * time.Millisecond
	backoffMost  = time.Second
)

// backoff is the wait between two tries.
type backoff struct{ next time.Duration }

// sleep waits for half to all of the next wait, and doubles it, until ctx or the driver ends.
func (b *backoff) sleep(ctx context.Context, d *driver) {
	wait := max(b.next, backoffFirst)
	b.next = min(2*wait, backoffMost)
	d.wait(ctx, wait/2+rand.N(wait/2))
}

func (b *backoff) reset() { b.next = 0 }

// wait waits until ctx or the driver ends, at most this long.
func (d *driver) wait(ctx context.Context, wait time.Duration) {
	timer := d.cfg.clock.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.Chan():
	case <-ctx.Done():
	case <-d.ctx.Done():
	}
}
