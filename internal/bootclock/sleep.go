package bootclock

import (
	"sync/atomic"
	"time"
)

// noise is more than two readings of the same sleep can differ by. Only a greater difference moves
// the clock, so that it advances evenly.
const noise = int64(time.Millisecond)

// sleep caches how long the machine has slept since it was made.
type sleep struct {
	read func() int64 // time slept since boot, in ns
	base int64

	known  atomic.Int64 // time slept since base, in ns; only grows
	readAt atomic.Int64 // monotonic time, in ns, before known was last read
}

func newSleep(read func() int64) *sleep { return &sleep{read: read, base: read()} }

// at gives the time slept as known at a monotonic time, which may be behind by at most Window.
func (s *sleep) at(mono int64) int64 {
	// A negative age: another goroutine has just read, or a synctest bubble has, whose clock is its own.
	age := mono - s.readAt.Load()
	if age <= int64(Window) && age >= 0 {
		return s.known.Load()
	}
	now := s.read() - s.base
	for {
		known := s.known.Load()
		// The greater of two readings made at once is kept: the smaller one may be from before a
		// sleep.
		if now <= known+noise || s.known.CompareAndSwap(known, now) {
			break
		}
	}
	// mono was read before the time slept was, so this can't make the reading look younger than it is.
	s.readAt.Store(mono)
	return s.known.Load()
}
