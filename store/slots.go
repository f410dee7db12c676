package store

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/juju/clock"
)

// slots bounds how many requests can be under way at once. A request that was given up keeps its
// slot until the driver returns; but a driver may never return, and what hangs for ever must not
// be in the way for ever: after ten CallTimeouts it is written off, and its slot is free again. The
// more are written off the longer that takes, so that they don't pile up while nothing answers.
type slots struct {
	s          *Store
	taken      chan struct{}
	writtenOff atomic.Int64
}

func newSlots(s *Store, n int) *slots { return &slots{s: s, taken: make(chan struct{}, n)} }

// slot is the place of one request.
type slot struct {
	of *slots

	mu       sync.Mutex
	returned bool
	off      bool        // written off
	timer    clock.Timer // until it is; nil while somebody waits for the answer
}

// enter waits for a slot until giveUp, or the end of ctx or of the store.
func (b *slots) enter(ctx context.Context, giveUp <-chan time.Time) (*slot, error) {
	select {
	case b.taken <- struct{}{}:
	case <-giveUp:
		return nil, fmt.Errorf("%w: %d requests are under way or hang", ErrUnreachable, cap(b.taken))
	case <-ctx.Done():
		return nil, refusedBy(ctx.Err())
	case <-b.s.ctx.Done():
		return nil, ErrClosed
	}
	p := &slot{of: b}
	switch {
	case b.s.ctx.Err() != nil:
		p.leave()
		return nil, ErrClosed
	case ctx.Err() != nil:
		p.leave()
		return nil, refusedBy(ctx.Err())
	}
	return p, nil
}

// tryEnter gives a slot if one is free.
func (b *slots) tryEnter() (*slot, bool) {
	select {
	case b.taken <- struct{}{}:
		return &slot{of: b}, true
	default:
		return nil, false
	}
}

// leave says that the driver has returned.
func (p *slot) leave() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.returned = true
	if p.timer != nil {
		p.timer.Stop()
	}
	if p.off {
		p.of.writtenOff.Add(-1)
		return
	}
	<-p.of.taken
}

// abandon says that nobody waits for the answer any more.
func (p *slot) abandon() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.returned || p.timer != nil {
		return
	}
	rounds := 1 + p.of.writtenOff.Load()/int64(cap(p.of.taken))
	p.timer = p.of.s.clk.AfterFunc(10*p.of.s.cfg.CallTimeout*time.Duration(rounds), p.writeOff)
}

func (p *slot) writeOff() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.returned {
		return
	}
	p.off = true
	p.of.writtenOff.Add(1)
	<-p.of.taken
}
