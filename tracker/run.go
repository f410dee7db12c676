package tracker

import (
	"context"
	"errors"
	"fmt"

	"github.com/muster-go/muster/claimer"
)

// RunWhileLeader waits for leadership and then calls f, once, with a context that ends, with cause
// ErrLeadershipChanged, when the tracker lowers or ctx ends; see Hold.Context. The claim is held
// until f returns or panics, and no other candidate leads before that as long as the claim can be
// renewed: so f must heed its context. f must not wait for Resign, nor for the tracker's end.
//
// It returns f's error. If leadership was lost before f returned it returns ErrLeadershipChanged,
// joined with f's error if that says more than that its context ended. Without having called f it
// returns ctx's error, or ErrStopped.
func (w *Worker) RunWhileLeader(ctx context.Context, f func(context.Context, claimer.Claim) error) error {
	hold, err := w.awaitHold(ctx)
	if err != nil {
		return fmt.Errorf("waiting for leadership of %q: %w", w.candidate.Name, err)
	}
	defer hold.Release()
	guarded, cancel := hold.Context(ctx)
	defer cancel()
	err = f(guarded, hold.Claim())
	switch {
	case hold.Leads():
		return err
	case ctx.Err() != nil && !errors.Is(context.Cause(guarded), ErrLeadershipChanged):
		return err // ctx ended first
	case err == nil, errors.Is(err, context.Canceled), errors.Is(err, ErrLeadershipChanged):
		return fmt.Errorf("%q: %w", w.candidate.Name, ErrLeadershipChanged)
	}
	return fmt.Errorf("%q: %w", w.candidate.Name, errors.Join(ErrLeadershipChanged, err))
}

// awaitHold waits until it has a hold on a term in force.
func (w *Worker) awaitHold(ctx context.Context) (*Hold, error) {
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		cell := w.leaderCell()
		if cell == nil {
			return nil, ErrStopped
		}
		select {
		case <-cell.done:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		if cell.term == nil {
			return nil, ErrStopped
		}
		hold, err := w.hold(cell.term)
		if err == nil {
			return hold, nil
		}
		// The term ended in between, or the Keeper knows already that it will: have the loop look,
		// and wait for the end.
		w.renewNow()
		select {
		case <-cell.term.minion:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}
