package bootclock_test

import (
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
		fired := false
		f := bootclock.Clock.AfterFunc(time.Minute, func() { fired = true })
		if !f.Stop() {
			t.Fatal("Stop of a running timer said that it wasn't active")
		}
		time.Sleep(2 * time.Minute)
		if fired {
			t.Fatal("fired after Stop")
		}
	})
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
