// Package bootclock is a clock.Clock that goes on counting while the machine sleeps.
//
// Go's time.Now reads CLOCK_MONOTONIC, which stops during a suspend. A leader whose machine slept
// for an hour would find its deadline still ahead when it wakes. This clock adds the time slept:
// the difference between CLOCK_BOOTTIME and CLOCK_MONOTONIC, read by a system call and cached for
// Window, so that a hot loop pays for time.Now and little more. Within Window after a resume a
// reading may lack the sleep; whoever counts deadlines on this clock adds Window to their margin.
//
// Elsewhere than on Linux the clock is the monotonic one.
package bootclock

import (
	"sync/atomic"
	"time"

	"github.com/juju/clock"
)

// Window bounds how long, after a resume, Now can still lack the time slept.
const Window = 5 * time.Millisecond

// tick is the longest that a timer sleeps before it looks at Now again, and so the longest that
// it fires late after a resume (a suspended machine's timers stand still).
const tick = time.Second

// Clock is the boot-time clock. Its times have no monotonic reading and no relation to the wall
// clock beyond having started from it: they are good for differences within one process only.
var Clock clock.Clock = bootClock{}

// Since process start, all readings are base + monotonic time since start + time slept since start.
var (
	start     = time.Now()
	base      = start.Round(0)
	sleptBase = readSlept()

	cached   atomic.Int64 // time slept since start, in ns
	cachedAt atomic.Int64 // monotonic time since start of that reading, in ns
)

type bootClock struct{}

func (bootClock) Now() time.Time {
	mono := int64(time.Since(start))
	if age := mono - cachedAt.Load(); age > int64(Window) || age < 0 {
		// Readings of the same sleep differ by microseconds; only a real sleep moves the clock, and
		// only forward.
		if slept, known := readSlept()-sleptBase, cached.Load(); slept > known+int64(time.Millisecond) {
			cached.CompareAndSwap(known, slept)
		}
		cachedAt.Store(mono)
	}
	return base.Add(time.Duration(mono + cached.Load()))
}

// FromBoot converts a reading of Clock to the kernel's CLOCK_BOOTTIME, in nanoseconds, the same
// for all processes of a machine. Off Linux it is counted from the start of the process.
func FromBoot(t time.Time) int64 {
	return readBoot() + int64(t.Sub(Clock.Now()))
}

func (bootClock) After(d time.Duration) <-chan time.Time { return bootClock{}.NewTimer(d).Chan() }

func (bootClock) AfterFunc(d time.Duration, f func()) clock.Timer { return newTimer(d, f) }

func (bootClock) NewTimer(d time.Duration) clock.Timer { return newTimer(d, nil) }

func (c bootClock) At(t time.Time) <-chan time.Time { return c.After(t.Sub(c.Now())) }

func (c bootClock) AtFunc(t time.Time, f func()) clock.Alarm {
	return alarm{c.AfterFunc(t.Sub(c.Now()), f)}
}

func (c bootClock) NewAlarm(t time.Time) clock.Alarm { return alarm{c.NewTimer(t.Sub(c.Now()))} }

type alarm struct{ clock.Timer }

func (a alarm) Reset(t time.Time) bool { return a.Timer.Reset(t.Sub(Clock.Now())) }
