package bootclock

import (
	"sync"
	"time"
)

// tick is the longest that a timer sleeps before it looks at Now again, and so the longest that it
// fires late after a resume (a suspended machine's timers stand still).
const tick = time.Second

// timer waits in steps of at most tick, so that after a resume it fires late by no more than that.
type timer struct {
	f  func() // nil: send on ch
	ch chan time.Time

	mu     sync.Mutex
	due    time.Time
	inner  *time.Timer
	active bool
	round  uint64 // counts Resets, so that a step of an earlier setting does nothing
}

func newTimer(d time.Duration, f func()) *timer {
	t := &timer{f: f, ch: make(chan time.Time, 1)}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.set(d)
	return t
}

// set starts the wait; with the lock held.
func (t *timer) set(d time.Duration) {
	t.due = Clock.Now().Add(d)
	t.active = true
	t.round++
	t.arm(d)
}

// arm starts the next step; with the lock held.
func (t *timer) arm(d time.Duration) {
	round := t.round
	t.inner = time.AfterFunc(min(max(d, 0), tick), func() { t.step(round) })
}

func (t *timer) step(round uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.active || t.round != round {
		return
	}
	now := Clock.Now()
	if rest := t.due.Sub(now); rest > 0 {
		t.arm(rest)
		return
	}
	t.active = false
	if t.f != nil {
		go t.f()
		return
	}
	select {
	case t.ch <- now:
	default:
	}
}

func (t *timer) Chan() <-chan time.Time { return t.ch }

// Stop and Reset leave no stale time in the channel, as time.Timer does since Go 1.23.
func (t *timer) Stop() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.stop()
}

func (t *timer) stop() bool {
	was := t.active
	t.active = false
	t.inner.Stop()
	select {
	case <-t.ch:
		was = true
	default:
	}
	return was
}

func (t *timer) Reset(d time.Duration) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	was := t.stop()
	t.set(d)
	return was
}
