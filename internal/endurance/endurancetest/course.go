package endurancetest

import (
	"flag"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

var cycles = flag.Int("endurance.cycles", 0, "how many cycles each course has; 0: as many as take little time")

// Course says how a cycle is repeated.
type Course struct {
	// Cycles is how many there are, unless the flag -endurance.cycles says otherwise; a quarter with
	// the race detector, a tenth with -short.
	Cycles int
	// Lanes is how many run at the same time. Default: 1.
	Lanes int
	// Patience is how long the counts have to come down after the last cycle. Default: 30 s.
	Patience time.Duration
}

// Run repeats a cycle, which gets its number, and fails the test if a cycle fails or anything is
// left over. The test must not run beside others.
func Run(t *testing.T, course Course, cycle func(i int) error) {
	t.Helper()
	switch {
	case *cycles > 0:
		course.Cycles = *cycles
	case testing.Short():
		course.Cycles = max(course.Cycles/10, 10)
	case raced:
		course.Cycles = max(course.Cycles/4, 10)
	}
	if err := course.Endure(cycle); err != nil {
		t.Fatal(err)
	}
}

// Endure is Run outside a test, without the flag. The error says what is left over, and where it
// comes from.
func (c Course) Endure(cycle func(i int) error) error {
	patience := c.Patience
	if patience == 0 {
		patience = 30 * time.Second
	}
	next := max(c.Cycles/10, 10)
	if err := c.repeat(0, next, cycle); err != nil {
		return err
	}
	slack := Slack{Goroutines: 4, Descriptors: 2, Heap: 256<<10 + 64*c.Cycles}
	for round := 1; ; round++ {
		before, was := AtRest(), Look()
		if err := c.repeat(next, next+c.Cycles, cycle); err != nil {
			return err
		}
		next += c.Cycles
		wait := patience / 10
		if round == rounds {
			wait = patience
		}
		over := left(before, slack, wait)
		switch {
		case over == "":
			return nil
		case round == rounds:
			return fmt.Errorf("%d cycles left something over, and so did as many before them, %d times: %s%s(what is on the heap is told by -memprofile FILE -memprofilerate 1)",
				c.Cycles, rounds-1, over, Look().More(was))
		}
	}
}

// rounds is how often in a row something must be left over to be a leak: a map keeps the room that
// it once needed, and a cache fills.
const rounds = 3

// left tells what exceeds the census before even after a while.
func left(before Census, slack Slack, patience time.Duration) (over string) {
	for began := time.Now(); ; <-time.After(20 * time.Millisecond) {
		over = Take().Exceeds(before, slack)
		if over == "" || time.Since(began) > patience {
			return over
		}
	}
}

// repeat runs the cycles from first to before end, in the lanes, up to the first that fails.
func (c Course) repeat(first, end int, cycle func(i int) error) error {
	var (
		next   atomic.Int64
		all    sync.WaitGroup
		once   sync.Once
		failed error
	)
	next.Store(int64(first))
	for range max(c.Lanes, 1) {
		all.Go(func() {
			for {
				i := int(next.Add(1) - 1)
				if i >= end {
					return
				}
				if err := cycle(i); err != nil {
					once.Do(func() { failed = fmt.Errorf("cycle %d: %w", i, err) })
					next.Store(int64(end))
				}
			}
		})
	}
	all.Wait()
	return failed
}
