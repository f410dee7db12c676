package leadership_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/muster-go/muster/claimer"
	"github.com/muster-go/muster/internal/sim"
)

// direct is a candidate that uses the queue itself: it claims, extends, holds, waits, releases, and
// begins anew.
type direct struct {
	a    *agent
	b    *book
	by   *party
	r    *rand.Rand
	hold claimer.Hold
	held *guarantee // by hold
	last *guarantee // by the latest claim
}

func (a *agent) stand(b *book, name string) {
	d := &direct{a: a, b: b, by: &party{p: a.p, name: name}, r: a.p.Chance("direct " + name)}
	a.mu.Lock()
	a.direct = append(a.direct, d)
	a.mu.Unlock()
	a.p.Go(func(context.Context) { d.live(a.ctx) })
}

func (d *direct) live(ctx context.Context) {
	defer d.drop()
	defer d.giveUp()
	for ctx.Err() == nil {
		d.round(ctx)
	}
}

func (d *direct) round(ctx context.Context) {
	p, ttl := d.a.p, d.a.ttl
	patience := []time.Duration{time.Second, ttl * 8 / 10, 4 * ttl, time.Hour}[d.r.IntN(4)]
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer p.Clock().AfterFunc(patience, cancel).Stop()
	c := claimer.Candidate{Name: d.b.name, Holder: d.by.name}
	long := sim.Between(d.r, ttl/10, ttl*8/10)
	called := p.Clock().Now()
	claim, err := d.a.queue.Claim(ctx, c, long)
	switch {
	case err == nil:
		d.granted(claim, called.Add(long))
		if d.hold == nil && d.r.IntN(2) == 0 {
			d.take(claim)
		}
		if d.hold != nil && closed(d.hold.Lost()) || d.r.IntN(12) == 0 {
			d.release(ctx, claim)
		}
		p.Sleep(d.a.ctx, sim.Between(d.r, 0, long*5/4))
	case errors.Is(err, claimer.ErrDenied):
		if d.hold != nil {
			p.Sleep(d.a.ctx, sim.Between(d.r, 0, ttl)) // guarded work takes its time
			d.drop()
		}
		_ = d.a.queue.WaitReleased(ctx, c)
	default:
		p.Sleep(d.a.ctx, sim.Between(d.r, 100*time.Millisecond, time.Second))
	}
	if d.hold != nil && closed(d.hold.Lost()) {
		p.Sleep(d.a.ctx, sim.Between(d.r, 0, ttl/2))
		d.drop()
	}
}

// granted notes what was promised.
func (d *direct) granted(claim claimer.Claim, until time.Time) {
	p, l := d.a.p, d.a.l
	if p.Dead() {
		return
	}
	l.mu.Lock()
	l.change(d.b, d.by, claim.Token)
	l.mu.Unlock()
	d.last = l.add(d.b, &guarantee{by: d.by, token: claim.Token, what: "a claim", live: func() bool {
		return p.Clock().Now().Before(until)
	}})
}

// take takes a hold, as guarded work does.
func (d *direct) take(claim claimer.Claim) {
	hold, err := d.a.queue.Hold(claim)
	if err != nil {
		return
	}
	p := d.a.p
	d.hold = hold
	d.held = d.a.l.add(d.b, &guarantee{by: d.by, token: claim.Token, what: "a hold", live: func() bool {
		return p.Clock().Now().Before(hold.Deadline())
	}})
}

// drop ends guarded work.
func (d *direct) drop() {
	if d.hold != nil {
		d.a.l.end(d.held)
		d.hold.Release()
		d.hold, d.held = nil, nil
	}
}

// giveUp says that what was promised is no longer relied on.
func (d *direct) giveUp() {
	d.a.l.mu.Lock()
	defer d.a.l.mu.Unlock()
	for _, g := range d.b.guarantees {
		if g.by == d.by && g.what == "a claim" {
			g.over = true
		}
	}
}

func (d *direct) release(ctx context.Context, claim claimer.Claim) {
	if d.hold != nil && d.r.IntN(2) == 0 {
		d.drop()
	}
	d.giveUp()
	d.a.p.Note("%s releases %s", d.by.name, d.b.name)
	if err := d.a.queue.Release(ctx, claim); err != nil {
		d.a.p.Note("%s: %v", d.by.name, err)
	}
}
