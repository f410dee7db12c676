package bootclock

import (
	"time"

	"github.com/juju/clock"
)

// Window bounds how long, after a resume, Now can still lack the time slept.
const Window = 5 * time.Millisecond

// Clock is the boot-time clock. Its times have no monotonic reading and no relation to the wall
// clock beyond having started from it: they are good for differences within one process only.
var Clock clock.Clock = bootClock{}

// All readings are base + monotonic time since start + time slept since start. bootBase, the
// kernel's reading for base, is taken first: what FromBoot gives may be early, never late.
var (
	bootBase = readBoot()
	start    = time.Now()
	base     = start.Round(0)
	slept    = newSleep(readSlept)
)

type bootClock struct{}

func (bootClock) Now() time.Time {
	mono := int64(time.Since(start))
	return base.Add(time.Duration(mono + slept.at(mono)))
}

// FromBoot converts a reading of Clock to the kernel's CLOCK_BOOTTIME, in nanoseconds, the same
// for all processes of a machine. It reads no clock, so a resume during the call changes nothing,
// and the result is exact but for the microseconds that it may be early. Off Linux it is counted
// from the start of the process.
func FromBoot(t time.Time) int64 { return bootBase + int64(t.Sub(base)) }

func (bootClock) After(d time.Duration) <-chan time.Time { return newTimer(d, nil).Chan() }

func (bootClock) AfterFunc(d time.Duration, f func()) clock.Timer { return newTimer(d, f) }

func (bootClock) NewTimer(d time.Duration) clock.Timer { return newTimer(d, nil) }

func (c bootClock) At(t time.Time) <-chan time.Time { return c.After(t.Sub(c.Now())) }

func (c bootClock) AtFunc(t time.Time, f func()) clock.Alarm {
	return alarm{c.AfterFunc(t.Sub(c.Now()), f)}
}

func (c bootClock) NewAlarm(t time.Time) clock.Alarm { return alarm{c.NewTimer(t.Sub(c.Now()))} }

type alarm struct{ clock.Timer }

func (a alarm) Reset(t time.Time) bool { return a.Timer.Reset(t.Sub(Clock.Now())) }
