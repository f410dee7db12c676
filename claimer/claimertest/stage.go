package claimertest

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/muster-go/muster/claimer"
	"github.com/muster-go/muster/internal/bootclock"
)

// rounds is how often a check begins anew, at most, before being late counts as broken.
const rounds = 5

// most is how many of the shared views a check uses.
const most = 6

// stage is what checks that run together share: a few views, as a process has one Claimer for all
// its elections. With views of its own for every check, the service would be busy with little else
// than keeping them alive.
type stage struct {
	h    Harness
	t    testing.TB   // whose end closes the views
	gate sync.RWMutex // see first and again

	failed atomic.Bool // a check has: then others don't take their time

	mu    sync.Mutex
	views []claimer.Claimer
}

// newStage ends the test if the harness can't be used.
func newStage(t testing.TB, h Harness) *stage {
	t.Helper()
	if err := h.Validate(); err != nil {
		t.Fatal(err)
	}
	if h.Clock == nil {
		h.Clock = bootclock.Clock
	}
	return &stage{h: h, t: t}
}

// view gives the shared view of that number, from 0.
func (s *stage) view(n int) claimer.Claimer {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.views) <= n {
		s.views = append(s.views, s.h.Open(s.t))
	}
	return s.views[n]
}

// run runs the check, in as many rounds as it takes.
func (s *stage) run(t testing.TB, c Check) {
	t.Helper()
	defer func() {
		if t.Failed() {
			s.failed.Store(true)
		}
	}()
	why := s.first(t, c)
	for n := 1; why != ""; n++ {
		switch {
		case t.Failed():
			t.Log(why)
			return
		case n == rounds:
			t.Errorf("%s (in each of %d rounds)", why, rounds)
			return
		case s.failed.Load():
			t.Errorf("%s (not tried again, because another check failed)", why)
			return
		}
		t.Logf("round %d of %d: %s", n, rounds, why)
		why = s.again(t, c)
	}
}

// first runs a round beside those of other checks.
func (s *stage) first(t testing.TB, c Check) string {
	s.gate.RLock()
	defer s.gate.RUnlock()
	return round(t, s, c.body)
}

// again runs a round that has the stage to itself, so that what was late for the load of the other
// checks isn't late again.
func (s *stage) again(t testing.TB, c Check) string {
	s.gate.Lock()
	defer s.gate.Unlock()
	return round(t, s, c.body)
}

// pump moves a clock on that stands still by itself, until the function that it returns is called.
func (s *stage) pump() (stop func()) {
	if s.h.Advance == nil {
		return func() {}
	}
	over, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case <-over:
				return
			case <-time.After(time.Millisecond): // so that what the step woke gets to run
				s.h.Advance(s.h.Duration / 250)
			}
		}
	}()
	return func() {
		close(over)
		<-ended
	}
}
