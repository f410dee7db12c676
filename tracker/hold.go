package tracker

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/muster-go/muster/claimer"
)

// Hold is one count of guarded work on a term. Until it is released the claim isn't given up, and
// the tracker doesn't stand for the name again: release it when the work has really ended.
type Hold struct {
	w       *Worker
	term    *term
	keep    claimer.Hold // nil: no Keeper
	release sync.Once
}

// Hold takes a hold on the present leadership; ErrNotLeader if there is none. It doesn't block,
// unless the Claimer's own Hold does.
func (w *Worker) Hold() (*Hold, error) {
	v := w.view.Load()
	if v.term == nil {
		return nil, w.notLeader(nil)
	}
	return w.hold(v.term)
}

func (w *Worker) hold(t *term) (*Hold, error) {
	// Counted first: from here on the loop can't release the claim.
	if !t.take() {
		return nil, w.notLeader(nil)
	}
	h := &Hold{w: w, term: t}
	if w.keeper != nil {
		keep, err := w.keeper.Hold(t.claim)
		if err != nil {
			t.drop()
			return nil, w.notLeader(err)
		}
		h.keep = keep
	}
	if w.now() >= t.until.Load() {
		h.Release()
		return nil, w.notLeader(nil)
	}
	return h, nil
}

func (w *Worker) notLeader(err error) error {
	if err != nil {
		return fmt.Errorf("hold on leadership of %q: %w: %w", w.candidate.Name, ErrNotLeader, err)
	}
	return fmt.Errorf("hold on leadership of %q: %w", w.candidate.Name, ErrNotLeader)
}

// Claim is what is held.
func (h *Hold) Claim() claimer.Claim { return h.term.claim }

// Deadline is the moment before which no other candidate can hold the name, on the tracker's clock;
// see Leadership. It moves on as the claim is renewed, also while the tracker resigns or stops, and
// stays where it is once the claim is lost.
func (h *Hold) Deadline() time.Time { return h.w.deadline(h.term, h.keep) }

// Lost is closed when the tracker lowers, for whatever reason: stop the work and Release.
func (h *Hold) Lost() <-chan struct{} { return h.term.minion }

// Leads compares Now with the end of the lease: whether leadership is guaranteed at this moment.
func (h *Hold) Leads() bool { return h.w.now() < h.term.until.Load() }

// Context gives a child of parent that also ends at lowering, with cause ErrLeadershipChanged. Its
// own Err (not that of contexts derived from it) compares Now with the end of the lease, so it
// doesn't depend on a timer. Cancel it when the work is done; that doesn't release the hold.
func (h *Hold) Context(parent context.Context) (context.Context, context.CancelFunc) {
	inner, cancel := context.WithCancelCause(parent)
	g := &guardContext{Context: inner, cancel: cancel, hold: h}
	h.term.guard(g)
	return g, func() {
		h.term.unguard(g)
		cancel(nil)
	}
}

// Release drops the hold. Calling it again is harmless.
func (h *Hold) Release() {
	h.release.Do(func() {
		if h.keep != nil {
			h.keep.Release()
		}
		h.term.drop()
	})
}

// guardContext is a context that ends at lowering. It shares its inner context's Done channel and
// values, so the context package treats the two as one.
type guardContext struct {
	context.Context
	cancel context.CancelCauseFunc
	hold   *Hold
}

// Err compares Now before it answers; once it isn't nil, Done is closed.
func (g *guardContext) Err() error {
	if err := g.Context.Err(); err != nil {
		return err
	}
	if !g.hold.Leads() {
		g.cancel(ErrLeadershipChanged)
	}
	return g.Context.Err()
}
