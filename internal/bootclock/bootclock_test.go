package bootclock_test

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/muster-go/muster/internal/bootclock"
)

func TestNowAdvancesWithTheMonotonicClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		before := bootclock.Clock.Now()
		time.Sleep(time.Hour)
		if got := bootclock.Clock.Now().Sub(before); got < time.Hour || got > time.Hour+time.Second {
			t.Fatalf("an hour measured %v", got)
		}
	})
}

func TestTimerFiresOnceAtItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		before := bootclock.Clock.Now()
		timer := bootclock.Clock.NewTimer(90 * time.Second)
		at := <-timer.Chan()
		if got := at.Sub(before); got < 90*time.Second || got > 92*time.Second {
			t.Fatalf("fired after %v", got)
		}
		if timer.Stop() {
			t.Fatal("Stop after firing said that it was active")
		}
	})
}

func TestStopAndResetLeaveNoStaleTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		timer := bootclock.Clock.NewTimer(time.Second)
		time.Sleep(3 * time.Second)
		timer.Reset(time.Minute)
		select {
		case <-timer.Chan():
			t.Fatal("a stale time was left")
		default:
		}
		before := bootclock.Clock.Now()
		at := <-timer.Chan()
		if got := at.Sub(before); got < time.Minute {
			t.Fatalf("fired after %v", got)
		}
		var fired atomic.Bool
		f := bootclock.Clock.AfterFunc(time.Minute, func() { fired.Store(true) })
		if !f.Stop() {
			t.Fatal("Stop of a running timer said that it wasn't active")
		}
		time.Sleep(2 * time.Minute)
		if fired.Load() {
			t.Fatal("fired after Stop")
		}
	})
}

func TestAResetTimerFiresAtItsNewTimeOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var fired atomic.Int32
		timer := bootclock.Clock.AfterFunc(10*time.Second, func() { fired.Add(1) })
		time.Sleep(9500 * time.Millisecond) // amid a step
		if !timer.Reset(time.Minute) {
			t.Fatal("Reset of a running timer said that it wasn't active")
		}
		time.Sleep(59 * time.Second)
		if fired.Load() != 0 {
			t.Fatal("fired at its old time")
		}
		time.Sleep(2 * time.Second)
		if n := fired.Load(); n != 1 {
			t.Fatalf("fired %d times", n)
		}
	})
}

func TestAlarmsAreTimersAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := bootclock.Clock.Now()
		alarm := bootclock.Clock.NewAlarm(now.Add(time.Minute))
		alarm.Reset(now.Add(time.Hour))
		if got := (<-alarm.Chan()).Sub(now); got < time.Hour || got > time.Hour+time.Second {
			t.Fatalf("fired after %v", got)
		}
		if got := (<-bootclock.Clock.At(now)).Sub(now); got < time.Hour {
			t.Fatalf("an alarm in the past gave a time before now: %v", got)
		}
	})
}

func TestR2TheClockCountsWhatTheMachineSlept(t *testing.T) {
	before := bootclock.Clock.Now()
	defer bootclock.Suspend(int64(time.Hour))()
	for resumed := time.Now(); time.Since(resumed) <= bootclock.Window; {
		if got := bootclock.Clock.Now().Sub(before); got < 0 {
			t.Fatalf("the clock ran backwards, by %v", -got)
		}
	}
	if got := bootclock.Clock.Now().Sub(before); got < time.Hour {
		t.Fatalf("after an hour's sleep the clock had moved on by %v", got)
	}
}

func TestFromBootIsTheKernelsReadingOrAMomentEarlier(t *testing.T) {
	low := bootclock.ReadBoot()
	got := bootclock.FromBoot(bootclock.Clock.Now())
	high := bootclock.ReadBoot()
	// The two readings at the start of the process lie a moment apart.
	if got > high || got < low-int64(time.Second) {
		t.Fatalf("%d isn't between %d and %d", got, low, high)
	}
	later := bootclock.Clock.Now().Add(time.Hour)
	if rest := bootclock.FromBoot(later) - bootclock.FromBoot(later.Add(-time.Hour)); rest != int64(time.Hour) {
		t.Fatalf("an hour became %v", time.Duration(rest))
	}
}

// One that reads a clock gives a deadline that is too late by the whole sleep, when it is called just
// after a resume; or, at any time, one that differs a little from call to call.
func TestFromBootReadsNoClock(t *testing.T) {
	deadline := bootclock.Clock.Now().Add(time.Hour)
	want := bootclock.FromBoot(deadline)
	for range 1000 {
		if got := bootclock.FromBoot(deadline); got != want {
			t.Fatalf("one moment was %d and then %d", want, got)
		}
	}
}

func TestNowDoesNotAllocate(t *testing.T) {
	if n := testing.AllocsPerRun(1000, func() { bootclock.Clock.Now() }); n != 0 {
		t.Fatalf("%v allocations", n)
	}
}

func BenchmarkNow(b *testing.B) {
	for b.Loop() {
		bootclock.Clock.Now()
	}
}

func BenchmarkTimeNow(b *testing.B) {
	for b.Loop() {
		_ = time.Now()
	}
}
