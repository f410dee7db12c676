package sim

import (
	"sync"
	"time"

	"github.com/juju/clock"
)

// perMille is the rate of a clock that runs like true time.
const perMille = 1000

// Clock is a process's: it runs at a rate of its own against true time. While its process is paused
// Now goes on and no timer fires.
type Clock struct {
	w     *World
	owner *Process // nil: nobody's, never paused
	rate  int64    // per mille of true time
	begin int64    // true time at which it showed start
	start time.Time
	salt  uint64 // of the lateness of timers
}

var _ clock.Clock = (*Clock)(nil)

// Now implements clock.Clock.
func (c *Clock) Now() time.Time { return c.At0(c.w.now.Load()) }

// At0 is what the clock shows at a true time.
func (c *Clock) At0(now int64) time.Time {
	return c.start.Add(time.Duration((now - c.begin) * c.rate / perMille))
}

// due is the true time at which a timer for t fires: never before the clock shows t, and late by a
// little that all timers for t share.
func (c *Clock) due(t time.Time) int64 {
	local := int64(t.Sub(c.start))
	at := c.begin + (local*perMille+c.rate-1)/c.rate
	late := mix(c.salt ^ uint64(local))
	switch late >> 32 % 32 {
	case 0:
		at += int64(late % uint64(maxLate))
	default:
		at += int64(late % uint64(usuallyLate))
	}
	return max(at, c.w.now.Load()+1)
}

// How late timers are. The most must stay below the margins of what is simulated, as on a machine
// that isn't paused.
const (
	usuallyLate = 100 * time.Microsecond
	maxLate     = 80 * time.Millisecond
)

// After implements clock.Clock.
func (c *Clock) After(d time.Duration) <-chan time.Time { return c.NewTimer(d).Chan() }

// AfterFunc implements clock.Clock.
func (c *Clock) AfterFunc(d time.Duration, f func()) clock.Timer { return c.timer(c.Now().Add(d), f) }

// NewTimer implements clock.Clock.
func (c *Clock) NewTimer(d time.Duration) clock.Timer { return c.timer(c.Now().Add(d), nil) }

// At implements clock.Clock.
func (c *Clock) At(t time.Time) <-chan time.Time { return c.timer(t, nil).Chan() }

// AtFunc implements clock.Clock.
func (c *Clock) AtFunc(t time.Time, f func()) clock.Alarm { return alarm{c.timer(t, f)} }

// NewAlarm implements clock.Clock.
func (c *Clock) NewAlarm(t time.Time) clock.Alarm { return alarm{c.timer(t, nil)} }

func (c *Clock) timer(t time.Time, f func()) *timer {
	x := &timer{c: c, f: f}
	if f == nil {
		x.ch = make(chan time.Time, 1)
	}
	x.arm(t)
	return x
}

// timer is one of a Clock. Like those of package time it leaves no stale reading behind.
type timer struct {
	c  *Clock
	f  func()
	ch chan time.Time

	mu sync.Mutex
	e  *event
}

func (x *timer) Chan() <-chan time.Time { return x.ch }

func (x *timer) arm(t time.Time) { x.e = x.c.w.schedule(x.c.owner, x.c.due(t), x.fire) }

func (x *timer) fire() {
	if x.f != nil {
		go x.f()
		return
	}
	x.ch <- x.c.Now()
}

func (x *timer) Stop() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.stop()
}

func (x *timer) stop() bool {
	if x.c.w.cancel(x.e) {
		return true
	}
	select {
	case <-x.ch: // fired, and nobody has seen it
		return true
	default:
		return false
	}
}

func (x *timer) Reset(d time.Duration) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	active := x.stop()
	x.arm(x.c.Now().Add(d))
	return active
}

// alarm is a timer that is reset to a time.
type alarm struct{ *timer }

func (a alarm) Reset(t time.Time) bool { return a.timer.Reset(t.Sub(a.c.Now())) }
