package claimertest_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/muster-go/muster/claimer"
)

// denial puts the candidate in the queue unless its turn has come.
func (s *service) denial(seat *seat, v *view, c claimer.Candidate, d time.Duration) error {
	denied := &claimer.DeniedError{Name: c.Name, Reason: "others wait longer"}
	if s.inForce(seat.grant) {
		held := s.told(seat.grant)
		denied = &claimer.DeniedError{Name: c.Name, Holder: &held}
		switch s.fault {
		case misnamesHolder:
			held.Candidate = c
		case hidesHolder:
			denied.Holder = nil
		}
	} else if s.turn(seat, v, c.Holder) {
		return nil
	}
	seat.stand(v, c.Holder).until = s.clk.Now().Add(s.d)
	switch s.fault {
	case deniesPlainly:
		return errors.New("memory: held by another")
	case deniesWithoutDetails:
		return fmt.Errorf("memory: %w", claimer.ErrDenied)
	case admitsTwo:
		if len(seat.queue) > 3 {
			return nil
		}
	}
	return denied
}

// turn says whether nobody who still wants the name stands before the candidate.
func (s *service) turn(seat *seat, v *view, holder string) bool {
	for _, p := range seat.queue {
		if p.view == v && p.holder == holder {
			return true
		}
		if s.clk.Now().Before(p.until) || p.waiting > 0 && (p.view.state == well || s.fault == waitsForTheDead) {
			return false
		}
	}
	return true
}

func (seat *seat) stand(v *view, holder string) *place {
	for _, p := range seat.queue {
		if p.view == v && p.holder == holder {
			return p
		}
	}
	p := &place{view: v, holder: holder}
	seat.queue = append(seat.queue, p)
	return p
}

func (seat *seat) leave(v *view, holder string) {
	seat.queue = slices.DeleteFunc(seat.queue, func(p *place) bool { return p.view == v && p.holder == holder })
}

func (v *view) WaitReleased(ctx context.Context, c claimer.Candidate) error {
	s := v.s
	if err := s.check(c, 1); err != nil {
		return err
	}
	if s.fault == leaksWaiters {
		go func() { <-s.closed }()
	}
	stands := false
	for {
		if err := v.enter(ctx); err != nil {
			return s.ended(ctx, err)
		}
		seat := s.seat(c.Name)
		p := seat.stand(v, c.Holder)
		if !stands {
			stands = true
			p.waiting++
			defer v.waited(ctx, seat, p)
		}
		free := !s.inForce(seat.grant) && s.turn(seat, v, c.Holder)
		switch s.fault {
		case neverWakes:
			free = free && seat.grant == nil
		case sleepsThroughExpiry:
			free = free && (seat.grant == nil || seat.grant.over)
		case wakesAtOnce:
			free = true
		}
		changed := s.changed
		s.mu.Unlock()
		if free {
			return nil
		}
		done := ctx.Done()
		if s.fault == ignoresContext {
			done = nil
		}
		select {
		case <-changed:
		case <-s.clk.After(s.d / 40):
		case <-done:
			return s.ended(ctx, fmt.Errorf("memory: %w", ctx.Err()))
		case <-s.closed:
			return claimer.ErrClosed
		}
		if s.fault == ignoresContext {
			ctx = context.WithoutCancel(ctx)
		}
	}
}

func (s *service) ended(ctx context.Context, err error) error {
	switch {
	case ctx.Err() != nil && s.fault == hidesContextError:
		return errors.New("memory: interrupted")
	case ctx.Err() != nil && s.fault == nilAtContextEnd:
		return nil
	}
	return err
}

// waited takes a waiter off the queue: at once if its context ended, else if it doesn't claim soon.
func (v *view) waited(ctx context.Context, seat *seat, p *place) {
	s := v.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if ctx.Err() != nil && s.fault == queuesTheCancelled {
		return
	}
	p.waiting--
	p.until = s.clk.Now().Add(s.d)
	if ctx.Err() != nil && p.waiting == 0 {
		seat.leave(v, p.holder)
	}
	s.tell()
}

func (v *view) Release(ctx context.Context, c claimer.Claim) error {
	s := v.s
	if err := v.enter(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	seat := s.seat(c.Name)
	g := seat.grant
	if !s.releasable(seat, v, c) {
		if s.fault == releasesTwice && g != nil && g.over && g.claim.Token == c.Token || s.fault == releasesAnything {
			return nil
		}
		return fmt.Errorf("memory: release: %w", claimer.ErrNotHeld)
	}
	if g.keeper.holds > 0 && s.fault != releaseIgnoresHolds {
		if err := v.awaitHolds(ctx, g); err != nil {
			return err
		}
	}
	if s.fault != releasesLazily {
		g.over = true
	}
	s.tell()
	return nil
}

func (s *service) releasable(seat *seat, v *view, c claimer.Claim) bool {
	g := seat.grant
	if !s.inForce(g) {
		return false
	}
	own, same := s.own(g, v, c.Holder), g.claim.Token == c.Token
	switch s.fault {
	case releasesAnyToken:
		return own
	case releasesForRivals:
		return same
	case releasesForProcesses:
		return same && g.claim.Holder == c.Holder
	case unscopedRelease:
		return true
	}
	return own && same
}
