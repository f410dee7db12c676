package tracker

import (
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/muster-go/muster/claimer"
)

// lowered is the until of a term that is over: before every reading of a clock, and far enough
// from the end of the range to calculate with.
const lowered = math.MinInt64 / 2

// term is one spell of leadership.
//
//	begun ──(renewals move until on)──▶ lowered ──(holds released)──▶ idle
//
// Times are nanoseconds since the worker's base.
type term struct {
	claim claimer.Claim
	keep  claimer.Hold // the tracker's own hold, by which it watches the claim; nil: no Keeper

	// until is when leadership ends, for all who ask; lowered for good once it did.
	until atomic.Int64
	// sure is Duration before until, as a time, since comparing times costs less than subtracting
	// them; nil once lowered.
	sure atomic.Pointer[time.Time]
	// deadline is until, but stays, and while the tracker stops or resigns goes on moving with the
	// renewals: another can't hold the name before it.
	deadline atomic.Int64

	minion chan struct{} // closed at lowering
	next   *cell         // resolved by the term after this one
	idle   chan struct{} // closed once lowered and without holds

	mu     sync.Mutex
	over   bool
	holds  int
	guards map[*guardContext]struct{}
}

// newTerm begins a term that isn't in force until it is extended.
func newTerm(claim claimer.Claim, keep claimer.Hold, minion chan struct{}) *term {
	t := &term{
		claim: claim, keep: keep,
		minion: minion, next: newCell(), idle: make(chan struct{}),
		guards: map[*guardContext]struct{}{},
	}
	t.until.Store(lowered)
	return t
}

// extend moves the lease's end on; only from the loop goroutine and before lowering.
func (t *term) extend(until int64, sure time.Time) {
	t.deadline.Store(until)
	t.until.Store(until)
	t.sure.Store(&sure)
}

// end stops the guarantee and then the guarded contexts; only from the loop goroutine, once.
// Between the two, publish tells everybody.
func (t *term) end(publish func()) {
	t.sure.Store(nil)
	t.until.Store(lowered)
	t.mu.Lock()
	t.over = true
	guards := t.guards
	t.guards = nil
	if t.holds == 0 {
		close(t.idle)
	}
	t.mu.Unlock()
	publish()
	close(t.minion)
	for guard := range guards {
		guard.cancel(ErrLeadershipChanged)
	}
}

// take counts one hold, unless the term is over.
func (t *term) take() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.over {
		return false
	}
	t.holds++
	return true
}

// drop takes the count back.
func (t *term) drop() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.holds--
	if t.over && t.holds == 0 {
		close(t.idle)
	}
}

// held is the number of holds.
func (t *term) held() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.holds
}

// guard has g cancelled at lowering; at once if that was before.
func (t *term) guard(g *guardContext) {
	t.mu.Lock()
	over := t.over
	if !over {
		t.guards[g] = struct{}{}
	}
	t.mu.Unlock()
	if over {
		g.cancel(ErrLeadershipChanged)
	}
}

// unguard forgets g.
func (t *term) unguard(g *guardContext) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.guards, g)
}
