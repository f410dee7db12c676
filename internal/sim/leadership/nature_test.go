package leadership_test

import (
	"context"
	"slices"
	"time"

	"github.com/muster-go/muster/internal/sim"
)

// disturb does something to one process, or to the store.
func (c *course) disturb() {
	c.agents = slices.DeleteFunc(c.agents, func(a *agent) bool { return !a.fit() })
	if len(c.agents) == 0 {
		c.start()
		return
	}
	a := c.victim()
	switch n := c.r.IntN(100); {
	case n < 26:
		c.weather(a)
	case n < 32:
		c.fade(a)
	case n < 42:
		c.w.Note("nature", "good weather for %s", a.p.Name)
		a.p.SetWeather(sim.Weather{})
	case n < 52:
		c.pause(a)
	case n < 57:
		c.w.Note("nature", "watches of %s cut", a.p.Name)
		a.p.CutWatches()
	case n < 64:
		c.end(a)
	case n < 68:
		if len(c.agents) < 6 {
			c.start()
		}
	case n < 78:
		c.candidates(a)
	case n < 84:
		c.outage(sim.Decades(c.r, 10*time.Millisecond, 3*longestTTL))
	case n < 87:
		c.w.Note("nature", "the store restarts")
		c.w.Service().Restart()
	default:
		c.replace(n)
	}
}

// victim draws a process, mostly one that leads or led last.
func (c *course) victim() *agent {
	a := c.agents[c.r.IntN(len(c.agents))]
	b := c.l.books[c.r.IntN(len(c.l.books))]
	if c.r.IntN(2) == 0 || b.who == nil {
		return a
	}
	for _, leader := range c.agents {
		if leader.p == b.who.p {
			return leader
		}
	}
	return a
}

// fade has a process's network grow slow and then, for longer than a TTL, answer nothing.
func (c *course) fade(a *agent) {
	c.tally.partitions++
	slow := sim.Weather{Slow: 1, Delay: sim.Between(c.r, ttl/20, ttl/2)}
	c.w.Note("nature", "weather for %s: %+v", a.p.Name, slow)
	a.p.SetWeather(slow)
	c.after(sim.Between(c.r, ttl/5, ttl), func() {
		c.w.Note("nature", "%s is cut off", a.p.Name)
		a.p.SetWeather(sim.Weather{LoseRequest: 1, Silent: true})
		c.after(sim.Between(c.r, ttl, 2*longestTTL), func() {
			c.w.Note("nature", "good weather for %s", a.p.Name)
			a.p.SetWeather(sim.Weather{})
		})
	})
}

// weather changes a process's network.
func (c *course) weather(a *agent) {
	pick := func(most float64) float64 {
		if c.r.IntN(2) == 0 {
			return 0
		}
		return c.r.Float64() * most
	}
	w := sim.Weather{
		LoseRequest: pick(0.5), LoseReply: pick(0.5), Hang: pick(0.2), Repeat: pick(0.5),
		Slow: pick(1), Delay: sim.Decades(c.r, 10*time.Millisecond, 2*ttl),
	}
	switch c.r.IntN(8) {
	case 0:
		c.tally.partitions++
		w.Refuse = true
	case 1:
		c.tally.partitions++
		w.LoseRequest, w.Silent = 1, true
	case 2:
		c.tally.partitions++
		w.LoseReply, w.Silent = 1, true
	case 3:
		c.tally.partitions++
		w.Hang = 1
	case 4:
		w.Silent = true
	}
	c.w.Note("nature", "weather for %s: %+v", a.p.Name, w)
	a.p.SetWeather(w)
	if c.r.IntN(3) == 0 {
		c.after(sim.Decades(c.r, 10*time.Millisecond, 2*ttl), func() {
			c.w.Note("nature", "good weather for %s", a.p.Name)
			a.p.SetWeather(sim.Weather{})
		})
	}
}

func (c *course) pause(a *agent) {
	if a.p.Paused() {
		c.w.Note("nature", "%s resumes", a.p.Name)
		a.p.Resume()
		return
	}
	d := sim.Decades(c.r, 10*time.Millisecond, 3*longestTTL)
	c.w.Note("nature", "%s is paused for %v", a.p.Name, d)
	c.tally.pauses++
	a.p.Pause()
	c.after(d, func() {
		c.w.Note("nature", "%s resumes", a.p.Name)
		a.p.Resume()
	})
}

// end ends a process, in one way or another, and mostly starts another.
func (c *course) end(a *agent) {
	if c.r.IntN(2) == 0 || a.p.Paused() {
		c.tally.kills++
		a.kill()
	} else {
		a.shutDown(c.r.IntN(3) == 0)
	}
	if c.r.IntN(4) > 0 {
		c.after(sim.Decades(c.r, 10*time.Millisecond, ttl), c.start)
	}
}

// candidates has one come, go or resign.
func (c *course) candidates(a *agent) {
	if a.p.Paused() {
		return
	}
	b := c.l.books[c.r.IntN(len(c.l.books))]
	patience := sim.Decades(c.r, 10*time.Millisecond, 3*ttl)
	if c.asks && c.r.IntN(4) == 0 {
		c.w.Note(a.p.Name, "asks the holder of %s to resign", b.name)
		b.asked = c.w.Now() + 2*time.Minute
		a.p.Go(func(context.Context) {
			ctx, cancel := context.WithCancel(a.ctx)
			defer cancel()
			defer a.p.Clock().AfterFunc(patience, cancel).Stop()
			_, err := a.queue.AskResign(ctx, b.name)
			a.p.Note("has asked the holder of %s: %v", b.name, err)
		})
		return
	}
	a.mu.Lock()
	stands := slices.DeleteFunc(slices.Clone(a.stands), func(s *stand) bool { return s.gone.Load() })
	a.mu.Unlock()
	if len(stands) == 0 {
		a.track(b, c.name(a), true)
		return
	}
	s := stands[c.r.IntN(len(stands))]
	if c.r.IntN(3) > 0 {
		s.resign(patience)
		return
	}
	a.p.Note("%s is killed, another tracker comes", s.by.name)
	s.kill()
	a.track(s.b, c.name(a), c.r.IntN(2) == 0)
}

// outage stops the store for a while. It doesn't follow on a loss of data: for who has not heard of
// it can then lead first, with tokens that rise no more.
func (c *course) outage(d time.Duration) {
	if c.w.Now() < c.replaced+longestTTL && c.replaced > 0 {
		return
	}
	c.w.Note("nature", "the store stops for %v", d)
	c.tally.outages++
	c.w.Service().Stop()
	c.after(d, func() {
		c.w.Note("nature", "the store starts")
		c.w.Service().Start()
	})
}

// replace takes a snapshot, or has the store lose what it had since one.
func (c *course) replace(n int) {
	service := c.w.Service()
	if n >= 91 {
		c.unaware()
	}
	switch {
	case n < 91:
		c.w.Note("nature", "a snapshot is taken")
		c.snapshots = append(c.snapshots, snapshot{service.Snapshot(), c.rev()})
	case n < 94:
		c.look()
		c.after(300*time.Millisecond, func() {
			c.w.Note("nature", "the store is wiped")
			c.forget()
			service.Wipe()
			c.snapshots = nil
		})
	case n < 96 && len(c.snapshots) > 0: // nobody holds anything any more
		c.look()
		snap := c.snapshots[c.r.IntN(len(c.snapshots))]
		c.after(300*time.Millisecond, func() {
			c.w.Note("nature", "the store stops for a restore of revision %d", snap.rev)
			service.Stop()
			c.after(longestTTL+time.Millisecond, func() {
				c.w.Note("nature", "the store is restored")
				c.forget()
				service.Restore(snap.Snapshot)
				service.Start()
				c.roll(snap.rev, true)
			})
		})
	case n < 98 && len(c.snapshots) > 0:
		c.look()
		snap := c.snapshots[c.r.IntN(len(c.snapshots))]
		c.after(300*time.Millisecond, func() {
			c.w.Note("nature", "the store is restored to revision %d under living holders", snap.rev)
			c.forget()
			service.Restore(snap.Snapshot)
			c.roll(snap.rev, false)
		})
	default:
		c.look()
		c.after(300*time.Millisecond, func() {
			c.w.Note("nature", "the store is rewound")
			c.forget()
			service.Rewind()
			c.roll(c.rev(), false)
		})
	}
}

// unaware keeps a process, mostly the leader, from hearing what becomes of the store, and brings one
// that never knew it.
func (c *course) unaware() {
	a := c.victim()
	switch c.r.IntN(4) {
	case 0:
		a.p.SetWeather(sim.Weather{Silent: true})
	case 1:
		a.p.SetWeather(sim.Weather{LoseRequest: 1, Silent: true})
	case 2:
		a.p.SetWeather(sim.Weather{LoseReply: 1, Silent: true})
	default:
		return
	}
	c.tally.partitions++
	c.w.Note("nature", "%s hears nothing", a.p.Name)
	c.after(sim.Between(c.r, ttl, 2*longestTTL), func() {
		c.w.Note("nature", "good weather for %s", a.p.Name)
		a.p.SetWeather(sim.Weather{})
	})
	if len(c.agents) < 6 {
		c.after(sim.Between(c.r, 300*time.Millisecond, ttl), c.start)
	}
}

func (c *course) roll(rev uint64, ended bool) {
	var all []*sim.Process
	for _, a := range c.all {
		all = append(all, a.p)
	}
	c.l.mu.Lock()
	defer c.l.mu.Unlock()
	c.l.roll(all, rev, ended)
}

// rev is the store's revision now; a stopped store has one too.
func (c *course) rev() uint64 {
	return c.w.Service().Snapshot().Rev()
}
