package leadership_test

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"testing/synctest"
	"time"

	"github.com/muster-go/muster/claimer"
	"github.com/muster-go/muster/internal/sim"
	"github.com/muster-go/muster/store/memstore"
)

// The TTLs of a fleet, and by how much its clocks may differ from true time.
const (
	ttl        = 10 * time.Second
	longestTTL = 14 * time.Second
	drift      = 0.1
)

// course is one seed.
type course struct {
	w      *sim.World
	l      *ledger
	r      *rand.Rand // of the faults
	agents []*agent
	all    []*agent // those that ended too
	names  int

	witness   *agent // never disturbed; nil: there is none
	witnessed uint64 // a token that it has seen
	looks     int
	snapshots []snapshot
	replaced  time.Duration // when the store was wiped or restored last
	left      int           // disturbances to come
	asks      bool
	over      bool // the faults have ended
	tally     tally
}

// snapshot is a state of the store to restore.
type snapshot struct {
	memstore.Snapshot
	rev uint64
}

// result is what a course came to.
type result struct {
	failed string
	lines  []string
	hash   uint64 // of all that happened before the end of everything
	tally
}

// run runs the course of a seed, in a bubble.
func run(seed uint64, out io.Writer) result {
	w := sim.New(sim.Config{Seed: seed, Settle: synctest.Wait, Log: out})
	c := &course{w: w, r: w.Chance("nature")}
	elections := []string{"y", "y-eu"}[:1+c.r.IntN(2)]
	c.l = newLedger(w, elections)
	c.asks = c.r.IntN(4) == 0
	if c.r.IntN(4) > 0 {
		c.witness = newAgent(c.l, "witness", c.rate(), ttl)
		c.all = append(c.all, c.witness)
	}
	for range 2 + c.r.IntN(3) {
		c.start()
	}
	c.left = 10 + c.r.IntN(25)
	c.next()
	w.Run(time.Hour, func() bool { return c.left == 0 })
	c.tally.recovery = c.recover()
	r := result{hash: w.Hash(), tally: c.tally}
	c.shutDown()
	r.failed, r.lines = w.Failed(), w.Lines()
	for _, b := range c.l.books {
		r.changes += b.changes
	}
	return r
}

// rate draws a clock's: the extremes are likely.
func (c *course) rate() int64 {
	switch c.r.IntN(3) {
	case 0:
		return 900
	case 1:
		return 1100
	}
	return 900 + c.r.Int64N(201)
}

// start starts a process with its candidates.
func (c *course) start() {
	c.names++
	t := ttl
	if c.r.IntN(4) == 0 {
		t = longestTTL
	}
	a := newAgent(c.l, fmt.Sprint("p", c.names), c.rate(), t)
	c.agents, c.all = append(c.agents, a), append(c.all, a)
	for _, b := range c.l.books {
		switch kind := c.r.IntN(6); {
		case kind < 2:
			a.stand(b, c.name(a))
		case kind == 2: // two at once
			a.stand(b, c.name(a))
			a.track(b, c.name(a), true)
		default:
			a.track(b, c.name(a), kind > 3)
		}
	}
}

func (c *course) name(a *agent) string {
	c.names++
	return fmt.Sprintf("%s-%d", a.p.Name, c.names)
}

// after has f called d from now, unless the faults have ended by then.
func (c *course) after(d time.Duration, f func()) {
	c.w.After(d, func() {
		if !c.over {
			f()
		}
	})
}

// next has the next disturbance happen after a while.
func (c *course) next() {
	c.after(sim.Between(c.r, 10*time.Millisecond, ttl), func() {
		c.disturb()
		if c.left--; c.left > 0 {
			c.next()
		}
	})
}

// recover ends the faults and waits until every election has a leader. It tells how long that took.
func (c *course) recover() time.Duration {
	c.over = true
	c.w.Note("nature", "calm")
	c.w.Service().Start()
	c.w.Calm(c.r.IntN(2) == 0)
	for len(c.agents) < 2 {
		c.start()
	}
	calm := c.w.Now()
	c.mustLead(calm, calm+bound)
	recovery := c.w.Now() - calm
	// What was promised before may be all that was seen. By then it is over, or goes on being renewed.
	c.mustLead(calm+2*longestTTL, calm+bound)
	return recovery
}

// mustLead runs until every election was led after a moment, and fails if that isn't so in time.
func (c *course) mustLead(after, until time.Duration) {
	led := func() bool { return !slices.ContainsFunc(c.l.books, func(b *book) bool { return b.led <= after }) }
	if c.w.Run(until-c.w.Now(), led) {
		return
	}
	for _, b := range c.l.books {
		if b.led <= after {
			c.w.Fail("%s: nobody led from %v to %v, after the faults ended", b.name, after, until)
		}
	}
}

// bound is how long after the end of all faults an election may be without a leader, on the slowest
// clock. Requests that hang for ever are written off, in up to three rounds of ten callTimeouts; the
// record of a candidate that was killed ends with its TTL; an era comes of age after 1.5 TTL, of a
// clock that may be slow; and whose turn it is may have guarded work of an earlier term, which takes
// up to two TTL to end.
const bound = (3*10*callTimeout + longestTTL + longestTTL*3/2*11/10 + 2*longestTTL) * 10 / 9

// shutDown ends everything, whatever came before.
func (c *course) shutDown() {
	for _, a := range c.all {
		a.shutDown(false)
	}
	ended := func() bool {
		for _, a := range c.all {
			if !closed(a.ended) {
				return false
			}
		}
		return true
	}
	if !c.w.Run(10*longestTTL, ended) {
		c.w.Fail("not everything has ended within %v of its shutdown", 10*longestTTL)
	}
	for _, a := range c.all { // so that the bubble ends
		a.kill()
	}
	for !ended() && c.w.Step() {
	}
}

// look has the witness see the newest token.
func (c *course) look() {
	if c.witness == nil {
		return
	}
	c.looks++
	name, a := fmt.Sprint("look-", c.looks), c.witness
	a.p.Go(func(context.Context) {
		ctx, cancel := context.WithCancel(a.ctx)
		defer cancel()
		defer a.p.Clock().AfterFunc(ttl, cancel).Stop()
		if claim, err := a.queue.Claim(ctx, claimer.Candidate{Name: name, Holder: "witness"}, time.Second); err == nil {
			c.l.mu.Lock()
			c.witnessed = max(c.witnessed, claim.Token)
			c.l.mu.Unlock()
		}
	})
}

// forget takes in that the store was wiped or went back.
func (c *course) forget() {
	c.l.mu.Lock()
	defer c.l.mu.Unlock()
	c.tally.losses++
	c.replaced = c.w.Now()
	c.l.cap(c.witnessed)
}
