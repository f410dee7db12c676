package claimer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/muster-go/muster/internal/chance"
	"github.com/muster-go/muster/store"
)

// Claim implements Claimer. While the claim is in force an extension is normally answered from the
// session's present deadline, without a request; it succeeds only if the deadline lies d ahead at
// return, else it waits for the next renewal (R10). A candidate that is denied keeps its place in
// the queue while it waits in WaitReleased, and for d after its latest call.
func (q *Queue) Claim(ctx context.Context, c Candidate, d time.Duration) (Claim, error) {
	if err := c.check(); err != nil {
		return Claim{}, err
	}
	if most := q.MaxDuration(); d <= 0 || d > most {
		return Claim{}, fmt.Errorf("election %q: claim for %v: must be greater than 0 and at most 0.8 × TTL = 0.8 × %v = %v: %w",
			c.Name, d, q.cfg.TTL, most, ErrInvalid)
	}
	for {
		claim, again, err := q.claimOnce(ctx, c, d)
		if !again {
			return claim, err
		}
	}
}

// claimOnce claims with the candidate's present candidacy. It says again if that one was found to
// be over before it was ever in force.
func (q *Queue) claimOnce(ctx context.Context, c Candidate, d time.Duration) (_ Claim, again bool, _ error) {
	if q.ctx.Err() != nil {
		return Claim{}, false, ErrClosed
	}
	if blocked := q.blocked(c.Name); blocked != nil {
		return Claim{}, false, &DeniedError{Name: c.Name, Reason: "guarded work of an earlier claim of this process still runs"}
	}
	k, err := q.candidacy(c, true)
	if err != nil {
		return Claim{}, false, err
	}
	defer k.leave()
	k.mu.Lock()
	k.grace = d
	k.mu.Unlock()
	select {
	case <-k.turn:
		defer func() { k.turn <- struct{}{} }()
	case <-ctx.Done():
		return Claim{}, false, fmt.Errorf("election %q: %w", c.Name, ctx.Err())
	}
	before := k.ended()
	claim, err := k.claimNow(ctx, d)
	over := k.ended()
	if over == nil {
		return claim, false, err
	}
	// It is over. What was in force is surely not held any more; what wasn't begins anew, once the
	// old record is known gone.
	if k.tellLoss() {
		return Claim{}, false, &DeniedError{Name: c.Name, Reason: "the claim was lost: " + over.Error()}
	}
	select {
	case <-k.gone:
		// A record that vanished before it was in force may go on vanishing: then the caller decides
		// how often to try.
		if before != nil && !permanent(before) {
			return Claim{}, true, nil
		}
		if err == nil || errors.Is(over, store.ErrSessionGone) || k.wasInForce() {
			return Claim{}, !permanent(err), err
		}
		return Claim{}, false, err
	case <-q.ctx.Done():
		return Claim{}, false, ErrClosed
	case <-ctx.Done():
		return Claim{}, false, fmt.Errorf("election %q: %w (the record of an earlier candidacy isn't known gone yet)", c.Name, ctx.Err())
	}
}

func permanent(err error) bool {
	return errors.Is(err, ErrInvalid) || errors.Is(err, ErrUnauthorized) || errors.Is(err, ErrClosed)
}

// claimNow is Claim in the candidate's turn.
func (k *candidacy) claimNow(ctx context.Context, d time.Duration) (Claim, error) {
	if _, ok := k.inForce(); !ok {
		if err := k.stand(ctx); err != nil {
			return Claim{}, err
		}
		token, err := k.decide(ctx)
		if err != nil {
			return Claim{}, err
		}
		if k.q.besideGuardedWork(k) {
			return Claim{}, &DeniedError{Name: k.c.Name, Reason: "guarded work of another claim of this process still runs"}
		}
		if err := k.grasp(token); err != nil {
			return Claim{}, err
		}
	}
	if err := k.lease.Extend(ctx, d); err != nil {
		return Claim{}, fmt.Errorf("election %q: extend the claim: %w", k.c.Name, err)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case k.err != nil:
		return Claim{}, k.err
	case k.releasing:
		return Claim{}, &DeniedError{Name: k.c.Name, Reason: "the claim is being released"}
	}
	if until := k.q.clk.Now().Add(d); until.After(k.until) {
		k.until = until
	}
	return *k.claim, nil
}

// stand makes the candidacy's record if it has none yet.
func (k *candidacy) stand(ctx context.Context) error {
	k.mu.Lock()
	stands, over := k.record.CreateRev != 0, k.err
	k.mu.Unlock()
	if stands || over != nil {
		return over
	}
	lease, err := k.q.lease(ctx)
	if err != nil {
		return fmt.Errorf("election %q: %w", k.c.Name, err)
	}
	value := entry{Holder: k.c.Holder, Attributes: k.c.Attributes, TTL: k.q.cfg.TTL}.encode()
	// A key is never used twice: a create that was given up may yet commit, and is then a ghost.
	key := electionPrefix(k.c.Name) + chance.Text(k.q.st.Rand())
	k.mu.Lock()
	if k.err != nil {
		k.mu.Unlock()
		return k.err
	}
	k.lease = lease
	k.mu.Unlock()
	record, err := lease.Create(ctx, key, value)
	if err != nil {
		return fmt.Errorf("election %q: %w", k.c.Name, err)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.err != nil { // it ended in between, and bury did not know the key
		lease.Forget(key)
		return k.err
	}
	k.record = record
	return nil
}

// decide tells whether the candidate leads, by R9: its own record, at its own create revision, is
// in a linearizable read, and no other stands before it. It gives the claim's token.
func (k *candidacy) decide(ctx context.Context) (uint64, error) {
	k.mu.Lock()
	lease, own := k.lease, k.record
	k.mu.Unlock()
	snap, floor, err := lease.Decide(ctx, electionPrefix(k.c.Name))
	var young *store.YoungError
	if err != nil && !errors.As(err, &young) {
		return 0, fmt.Errorf("election %q: %w", k.c.Name, err)
	}
	place := place(snap, own)
	switch {
	case place < 0:
		k.end(fmt.Errorf("%w: its record is not in the store any more", ErrNotHeld), nil)
		return 0, fmt.Errorf("election %q: %w", k.c.Name, ErrNotHeld)
	case place > 0:
		holder := standings(k.c.Name, snap.Records[:1], floor, true)[0]
		return 0, &DeniedError{Name: k.c.Name, Holder: &holder.Claim, AtMost: k.q.st.Limits().WorstFailover(max(holder.TTL, 0))}
	case young != nil:
		return 0, &DeniedError{Name: k.c.Name, Reason: young.Reason, AtMost: young.Wait}
	}
	return floor + own.CreateRev, nil
}

// place gives the index of a record in the queue, -1 if it isn't there as it was created.
func place(snap store.Snapshot, own store.Record) int {
	for i, r := range snap.Records {
		if r.Key == own.Key && r.CreateRev == own.CreateRev {
			return i
		}
	}
	return -1
}
