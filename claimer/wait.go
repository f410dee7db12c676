package claimer

import (
	"context"
	"errors"
	"fmt"

	"github.com/muster-go/muster/store"
)

// WaitReleased implements Claimer. The candidate keeps its place in the queue while it waits, and
// watches the one before it only. When ctx ends it leaves the queue at once, unless the claim is in
// force or another call uses it.
func (q *Queue) WaitReleased(ctx context.Context, c Candidate) error {
	if err := c.check(); err != nil {
		return err
	}
	if blocked := q.blocked(c.Name); blocked != nil {
		select {
		case <-blocked:
			return nil
		case <-q.ctx.Done():
			return ErrClosed
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	k, err := q.candidacy(c, false)
	if err != nil || k == nil {
		return err // nobody stands: it is worth calling Claim
	}
	defer k.leave()
	err = k.waitTurn(ctx)
	if err != nil && ctx.Err() != nil {
		k.end(fmt.Errorf("%w: its wait was cancelled", ErrNotHeld), func() bool {
			return k.users == 1 && k.claim == nil
		})
	}
	return err
}

// waitTurn waits until the candidate's record is first, or gone. Once the first of the queue is gone
// who came second doesn't read it again: the claim that follows does, and one read is enough on the
// way of a hand-over.
func (k *candidacy) waitTurn(ctx context.Context) error {
	for {
		k.mu.Lock()
		lease, own := k.lease, k.record
		k.mu.Unlock()
		if k.ended() != nil || own.CreateRev == 0 {
			return nil
		}
		snap, _, err := lease.Decide(ctx, electionPrefix(k.c.Name))
		var young *store.YoungError
		switch {
		case errors.As(err, &young):
		case err != nil:
			return fmt.Errorf("election %q: %w", k.c.Name, err)
		}
		switch place := place(snap, own); {
		case place > 0:
			if err := k.waitGone(ctx, lease, snap.Records[place-1]); err != nil || place == 1 {
				return err
			}
		case place == 0 && young != nil:
			// Not for all of it at once: another process may know that the era need not come of age.
			timer := k.q.clk.NewTimer(min(young.Wait, k.q.cfg.TTL/10))
			select {
			case <-timer.Chan():
			case <-k.over:
			case <-lease.Lost():
			case <-ctx.Done():
				timer.Stop()
				return ctx.Err()
			}
			timer.Stop()
		default:
			return nil
		}
	}
}

// waitGone waits until a record of another is gone, or the own candidacy is.
func (k *candidacy) waitGone(ctx context.Context, lease *store.Lease, other store.Record) error {
	watching, stop := context.WithCancel(ctx)
	defer stop()
	gone := make(chan struct{})
	seen := false
	told := func() {
		if !seen {
			seen = true
			close(gone)
		}
	}
	broken := make(chan error, 1)
	go func() {
		broken <- k.q.st.Watch(watching, other.Key, func(e store.Event) {
			switch e.Kind {
			case store.EventSnapshot, store.EventReset:
				// A snapshot may be older than the read that showed the record; a reset may not.
				missing := len(e.Records) == 0 || e.Records[0].CreateRev != other.CreateRev
				if missing && (e.Kind == store.EventReset || e.Rev >= other.CreateRev) {
					told()
				}
			case store.EventDelete:
				told()
			}
		})
	}()
	select {
	case <-gone:
		return nil
	case <-k.over:
		return nil
	case <-lease.Lost():
		return nil
	case err := <-broken:
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return fmt.Errorf("election %q: the watch of the candidate before this one ended: %w", k.c.Name, err)
	case <-ctx.Done():
		return ctx.Err()
	}
}
