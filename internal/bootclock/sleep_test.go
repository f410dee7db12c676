package bootclock_test

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"pgregory.net/rapid"

	"github.com/muster-go/muster/internal/bootclock"
)

const window = int64(bootclock.Window)

func TestASleepIsSeenWithinTheWindow(t *testing.T) {
	machineSlept := int64(7 * time.Hour) // before the process began
	cache := bootclock.NewSleep(func() int64 { return machineSlept })
	mono := 10 * window
	assert.Zero(t, bootclock.SleepAt(cache, mono))

	machineSlept += int64(time.Hour)
	assert.Zero(t, bootclock.SleepAt(cache, mono+window), "the cache is still good: this is the window that the documentation states")
	assert.Equal(t, int64(time.Hour), bootclock.SleepAt(cache, mono+window+1))
}

func TestReadingsOfOneSleepDontMoveTheClock(t *testing.T) {
	machineSlept := int64(time.Hour)
	cache := bootclock.NewSleep(func() int64 { return machineSlept })
	for i := range int64(1000) {
		machineSlept = int64(time.Hour) + i%7*int64(100*time.Microsecond)
		assert.Zero(t, bootclock.SleepAt(cache, (i+1)*2*window))
	}
}

// A synctest bubble has a monotonic clock of its own, far ahead of the process's.
func TestABubblesClockDoesNotBlindTheRealOne(t *testing.T) {
	machineSlept := int64(0)
	cache := bootclock.NewSleep(func() int64 { return machineSlept })
	bootclock.SleepAt(cache, int64(30*365*24*time.Hour))
	machineSlept = int64(time.Hour)
	assert.Equal(t, int64(time.Hour), bootclock.SleepAt(cache, 10*window))
}

// The rule on any course of events: no reading runs backwards, none is ahead of the sleep, and none
// that is taken later than Window after a resume lacks more than the noise.
func TestAnyCourseOfSleeps(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var mono, machineSlept, resumedAt, before int64
		cache := bootclock.NewSleep(func() int64 { return machineSlept })
		told := int64(0) // slept before the latest resume
		for range rapid.IntRange(1, 50).Draw(t, "steps") {
			if rapid.Bool().Draw(t, "suspend") {
				told = machineSlept
				machineSlept += rapid.Int64Range(0, int64(time.Hour)).Draw(t, "sleep")
				resumedAt = mono
			}
			mono += rapid.Int64Range(0, 3*window).Draw(t, "run")
			got := bootclock.SleepAt(cache, mono)
			if got < before {
				t.Fatalf("ran backwards from %d to %d", before, got)
			}
			if got > machineSlept {
				t.Fatalf("%d is ahead of the sleep, %d", got, machineSlept)
			}
			want := machineSlept
			if mono-resumedAt <= window {
				want = min(told, got)
			}
			if want-got > int64(time.Millisecond) {
				t.Fatalf("lacks %v, %v after the resume", time.Duration(want-got), time.Duration(mono-resumedAt))
			}
			before = got
		}
	})
}

// Of two readings made at once, one from before a sleep and one from after it, the later counts,
// whichever goroutine is done first.
func TestAReadingFromBeforeTheSleepDoesNotOverwriteALaterOne(t *testing.T) {
	var readings atomic.Int64
	inside, goOn := make(chan struct{}), make(chan struct{})
	cache := bootclock.NewSleep(func() int64 {
		switch readings.Add(1) {
		case 1:
			return 0
		case 2: // reads, and is held up while the machine sleeps and another goroutine reads
			close(inside)
			<-goOn
			return int64(time.Minute)
		}
		return int64(time.Hour)
	})
	var held sync.WaitGroup
	held.Go(func() { bootclock.SleepAt(cache, 2*window) })
	<-inside
	assert.Equal(t, int64(time.Hour), bootclock.SleepAt(cache, 2*window))
	close(goOn)
	held.Wait()
	assert.Equal(t, int64(time.Hour), bootclock.SleepAt(cache, 2*window))
}
