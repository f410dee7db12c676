package claimer

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// errReleased is why a candidacy ended whose claim was released.
var errReleased = fmt.Errorf("%w: it was released", ErrNotHeld)

// Release implements Claimer. The claim stops being extended at once; while guarded work holds it,
// Release waits for that to stop, and goes on doing so in the background when ctx ends first. The
// next candidate is let in when the record is deleted; if that can't be done now, an error says so
// and it is tried again until the session's end.
func (q *Queue) Release(ctx context.Context, c Claim) error {
	if q.ctx.Err() != nil {
		return ErrClosed
	}
	k := q.find(c)
	if k == nil {
		return fmt.Errorf("election %q: release token %d: %w", c.Name, c.Token, ErrNotHeld)
	}
	k.mu.Lock()
	k.releasing = true
	unheld := k.unheld
	k.mu.Unlock()
	select {
	case <-unheld:
	case <-k.over:
	case <-ctx.Done():
	}
	if held, ended, _ := k.guards(); held && !ended {
		return fmt.Errorf("election %q: guarded work still holds the claim; it is released when that stops: %w", c.Name, ctx.Err())
	}
	k.end(errReleased, nil)
	if err := k.ended(); !errors.Is(err, errReleased) {
		return fmt.Errorf("election %q: %w: %w", c.Name, ErrNotHeld, err)
	}
	select {
	case <-k.gone:
		return nil
	case <-q.ctx.Done():
		return ErrClosed
	case <-ctx.Done():
		return fmt.Errorf("election %q: the claim is over, but its record isn't known gone yet: %w", c.Name, ctx.Err())
	}
}

// find gives the candidacy whose claim is in force and is this one.
func (q *Queue) find(c Claim) *candidacy {
	q.mu.Lock()
	k := q.standing[identity{c.Name, c.Holder}]
	q.mu.Unlock()
	if k == nil {
		return nil
	}
	if now, ok := k.inForce(); !ok || now.Token != c.Token {
		return nil
	}
	return k
}

// Hold implements Keeper.
func (q *Queue) Hold(c Claim) (Hold, error) {
	k := q.find(c)
	if k == nil {
		return nil, fmt.Errorf("election %q: hold token %d: %w", c.Name, c.Token, ErrNotHeld)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.err != nil || k.releasing {
		return nil, fmt.Errorf("election %q: hold token %d: %w", c.Name, c.Token, ErrNotHeld)
	}
	release := k.lease.Hold()
	if !k.lease.Valid() { // its session may be revoked already
		release()
		return nil, fmt.Errorf("election %q: hold token %d: %w: %w", c.Name, c.Token, ErrNotHeld, k.lease.Err())
	}
	if k.holds == 0 {
		k.unheld = make(chan struct{})
	}
	k.holds++
	return &hold{k: k, drop: sync.OnceFunc(k.drop), lease: release}, nil
}

// hold implements Hold.
type hold struct {
	k     *candidacy
	drop  func()
	lease func()
}

// Deadline implements Hold.
func (h *hold) Deadline() time.Time {
	if last := h.k.last.Load(); last != nil {
		return *last
	}
	return h.k.lease.Deadline()
}

func (h *hold) Lost() <-chan struct{}        { return h.k.over }
func (h *hold) ResignAsked() <-chan struct{} { return h.k.asked }

// Release drops the lease's hold last, so that a session is never revoked under a hold.
func (h *hold) Release() {
	h.drop()
	h.lease()
}

// drop takes one hold off; the last one lets a release go on.
func (k *candidacy) drop() {
	k.mu.Lock()
	k.holds--
	last := k.holds == 0
	if last {
		close(k.unheld)
		if k.err != nil { // after Close nobody else does
			k.lease.Forget(k.record.Key)
		}
	}
	releasing := k.releasing
	k.rest()
	k.mu.Unlock()
	if last && releasing {
		k.end(errReleased, nil)
	}
}

// guards tells whether guarded work runs, whether the candidacy is over, and when that work has
// stopped.
func (k *candidacy) guards() (held, ended bool, unheld <-chan struct{}) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.holds > 0, k.err != nil, k.unheld
}
