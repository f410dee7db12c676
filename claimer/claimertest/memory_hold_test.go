package claimertest_test

import (
	"context"
	"fmt"
	"time"

	"github.com/juju/clock"

	"github.com/muster-go/muster/claimer"
)

// keeper is what a grant knows of its holds.
type keeper struct {
	holds     int
	releasing bool
	deadline  time.Time // fixed when the view is broken
	loses     clock.Timer
	lost      chan struct{}
	isLost    bool
}

// margin is how much longer than its holder the service counts.
func (s *service) margin() time.Duration { return s.d / 10 }

func (v *view) Hold(c claimer.Claim) (claimer.Hold, error) {
	s := v.s
	s.mu.Lock()
	defer s.mu.Unlock()
	seat := s.seat(c.Name)
	if !s.releasable(seat, v, c) && (s.fault != holdsAnything || seat.grant == nil) {
		return nil, fmt.Errorf("memory: hold: %w", claimer.ErrNotHeld)
	}
	seat.grant.keeper.holds++
	return &hold{s: s, g: seat.grant}, nil
}

// awaitHolds waits, with the lock held before and after, until guarded work has stopped. When the
// context ends first the last hold's end releases.
func (v *view) awaitHolds(ctx context.Context, g *grant) error {
	s := v.s
	g.keeper.releasing = true
	for g.keeper.holds > 0 {
		changed := s.changed
		s.mu.Unlock()
		select {
		case <-changed:
			s.mu.Lock()
		case <-ctx.Done():
			s.mu.Lock()
			if s.fault == forgetsRelease {
				g.over = true
			}
			return fmt.Errorf("memory: guarded work still runs: %w", ctx.Err())
		}
	}
	if g.keeper.isLost {
		return fmt.Errorf("memory: release: %w", claimer.ErrNotHeld)
	}
	return nil
}

// hold implements claimer.Hold.
type hold struct {
	s       *service
	g       *grant
	dropped bool
}

func (h *hold) Deadline() time.Time {
	h.s.mu.Lock()
	defer h.s.mu.Unlock()
	switch {
	case h.s.fault == earlyDeadline:
		return h.g.until.Add(-h.s.d / 2)
	case h.s.fault == lateDeadline:
		return h.s.clk.Now().Add(2 * h.s.d)
	case h.g.view.state == well && !h.g.keeper.isLost && h.s.fault != stillDeadline:
		h.g.keeper.deadline = h.s.clk.Now().Add(h.s.d)
	case h.s.fault == stillDeadline:
		return h.g.until
	}
	return h.g.keeper.deadline
}

func (h *hold) Lost() <-chan struct{} { return h.g.keeper.lost }

func (h *hold) ResignAsked() <-chan struct{} { return nil }

func (h *hold) Release() {
	h.s.mu.Lock()
	defer h.s.mu.Unlock()
	if h.dropped && h.s.fault != dropsTwice {
		return
	}
	h.dropped = true
	k := &h.g.keeper
	k.holds--
	if k.isLost {
		h.g.view.lingering[h.g.claim.Name]--
	}
	if k.holds <= 0 && !k.isLost {
		h.g.until = h.s.clk.Now().Add(h.s.d)
		h.g.over = h.g.over || k.releasing && h.s.fault != releasesLazily
	}
	h.s.tell()
}

// pull puts a view into another state.
func (s *service) pull(to state) func(claimer.Claimer) {
	return func(c claimer.Claimer) {
		v := c.(*view)
		s.mu.Lock()
		defer s.mu.Unlock()
		if to == well {
			close(v.healed)
			v.healed = make(chan struct{})
		}
		v.state = to
		if to != well {
			v.wasCut = s.clk.Now()
		}
		for _, seat := range s.seats {
			if g := seat.grant; s.inForceOf(g, v) {
				s.breakOrMend(g, to)
			}
			for _, p := range seat.queue {
				if p.view == v {
					p.until = s.clk.Now().Add(s.d)
				}
			}
		}
		s.tell()
	}
}

func (s *service) inForceOf(g *grant, v *view) bool {
	return g != nil && g.view == v && !g.over && g.keeper.holds > 0 && !g.keeper.isLost
}

// breakOrMend starts or stops the countdown to a held claim's loss.
func (s *service) breakOrMend(g *grant, to state) {
	k := &g.keeper
	if to == well {
		if k.loses != nil {
			k.loses.Stop()
		}
		return
	}
	k.deadline = s.clk.Now().Add(s.d)
	g.until = k.deadline.Add(s.margin())
	after := s.d
	switch s.fault {
	case losesLate:
		after = 2 * s.d
	case neverLoses:
		return
	case admitsEarly:
		g.until = s.clk.Now().Add(s.d / 2)
	}
	k.loses = s.clk.AfterFunc(after, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		k.isLost = true
		close(k.lost)
		g.view.lingering[g.claim.Name] += k.holds
	})
}
