package etcdstore

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
	timer := d.cfg.Clock.NewTimer(wait/2 + rand.N(wait/2))
	defer timer.Stop()
	select {
	case <-timer.Chan():
	case <-ctx.Done():
	case <-d.ctx.Done():
	}
}

func (b *backoff) reset() { b.next = 0 }
