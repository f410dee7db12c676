package claimertest

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/muster-go/muster/claimer"
	"github.com/muster-go/muster/store"
)

// Harness is how the kit reaches the Claimer under test. Open, Duration and WorstFailover are
// required.
type Harness struct {
	// Open gives another process's view onto the one service that all views share. It ends the test
	// if it can't. What it opens it closes itself, with t.Cleanup; the kit's calls have ended then.
	// It is called from several checks at once, and t need not be a *testing.T.
	Open func(t testing.TB) claimer.Claimer
	// Duration is the d of every Claim: one that the Claimer can grant. A real-time harness with
	// 0.8 s takes about 20 s in all.
	Duration time.Duration
	// WorstFailover is the longest time from a holder's death until the next candidate's claim.
	WorstFailover time.Duration
	// Clock is the one by which the Claimer counts. Default: the boot-time clock.
	Clock store.Clock
	// Advance moves a Clock on that stands still by itself, such as a testclock. The kit then calls
	// it all the time, in small steps with a short pause of real time after each. Nil for a Clock
	// that goes by itself: real time, or the time of a synctest bubble.
	Advance func(d time.Duration)
	// Anonymous says that the Claimer can't tell who holds a name: its DeniedErrors have no Holder.
	Anonymous bool

	// The levers act on a view that Open gave. Checks whose lever is nil are skipped.

	// Cut takes the service out of the view's reach: its calls fail, or hang until their contexts
	// end or Heal.
	Cut func(c claimer.Claimer)
	// Freeze makes the view's calls to the service hang, whatever their contexts do, until Heal.
	Freeze func(c claimer.Claimer)
	// Heal ends Cut and Freeze. The kit heals what it cut or froze before it ends a check.
	Heal func(c claimer.Claimer)
	// Kill lets the process behind the view die: it does nothing from now on, and releases nothing.
	// The kit doesn't use the view any more.
	Kill func(c claimer.Claimer)
}

// Validate says what is missing.
func (h Harness) Validate() error {
	switch {
	case h.Open == nil:
		return errors.New("claimertest: the Harness has no Open: give it a function that opens a Claimer")
	case h.Duration <= 0:
		return errors.New("claimertest: the Harness's Duration must be greater than 0: give it a d that the Claimer can grant")
	case h.WorstFailover <= 0:
		return errors.New("claimertest: the Harness's WorstFailover must be greater than 0: give it the longest time from a holder's death to the next claim")
	case (h.Cut != nil || h.Freeze != nil) && h.Heal == nil:
		return errors.New("claimertest: the Harness has Cut or Freeze but no Heal: give it all, or none")
	}
	return nil
}

// Check is one rule and the test of it.
type Check struct {
	Name string // the rule, as a sentence

	alone bool // nothing else of the kit may run meanwhile
	body  func(k *kit)
}

// Run runs the check on t, which need not be a *testing.T's subtest and may stand in a synctest
// bubble. It returns, or ends the goroutine as t.FailNow and t.Skip do.
func (c Check) Run(t testing.TB, h Harness) {
	t.Helper()
	s := newStage(t, h)
	defer s.pump()()
	s.run(t, c)
}

// atOnce is how many checks Run has under way at a time: they wait most of the time.
const atOnce = 6

// Run runs all checks, each as a subtest, and returns when they have ended.
func Run(t *testing.T, h Harness) {
	t.Helper()
	s := newStage(t, h)
	defer s.pump()()
	s.view(most - 1) // all of them here: a failure must end this test, not a subtest's goroutine
	run := func(c Check) {
		t.Run(c.Name, func(t *testing.T) { s.run(t, c) })
	}
	var running sync.WaitGroup
	slots := make(chan struct{}, atOnce)
	for _, c := range Checks() {
		if c.alone {
			run(c)
			continue
		}
		running.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			run(c)
		})
	}
	running.Wait()
}
