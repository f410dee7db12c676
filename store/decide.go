package store

import (
	"context"
	"fmt"
)

// Decide reads a prefix for a decision on who leads: the records and the floor of tokens (a token
// is the floor plus a record's CreateRev), consistent with the lease: it is alive and of the
// store's era, after the read. While the era is too young for anybody to lead the records come
// with a *YoungError.
func (l *Lease) Decide(ctx context.Context, prefix string) (Snapshot, uint64, error) {
	r := &l.store.root
	r.mu.Lock()
	before, era := r.rev, r.known.Era
	r.mu.Unlock()
	snap, now, err := r.readAfter(ctx, prefix)
	if err != nil {
		return Snapshot{}, 0, err
	}
	if snap.Rev < before {
		r.fell(era)
	}
	if now.Era != l.era || snap.Rev < before {
		l.lose(fmt.Errorf("%w: the store's era changed: it was wiped or restored", ErrSessionGone))
	}
	if !l.Valid() {
		return Snapshot{}, 0, l.Err()
	}
	// Another store may have come in the place of the one that this process knew, and be settled in its
	// own right: that says nothing of the holders that this process was told of.
	r.mu.Lock()
	longest := max(now.TTL, r.longest)
	rest := max(r.firstSeen+l.store.adult(longest)-l.store.now(), 0)
	strange := r.strange && rest > 0 && !l.store.cfg.Fresh
	r.mu.Unlock()
	if !now.Settled || strange {
		return snap, now.Floor, &YoungError{
			Reason: fmt.Sprintf("the store was just created, wiped or restored, and a holder from before may not know yet: nobody leads for %v, %g × its longest TTL", l.store.adult(longest), unawareTTLs),
			Wait:   rest,
		}
	}
	return snap, now.Floor, nil
}

// readAfter reads a prefix and then the era, or both at one revision: an era that was read before
// could have ended before the prefix was read.
func (r *root) readAfter(ctx context.Context, prefix string) (Snapshot, rootRecord, error) {
	pairs, ok := r.s.driver.(PairLister)
	if !ok {
		snap, err := r.s.List(ctx, prefix)
		if err != nil {
			return Snapshot{}, rootRecord{}, err
		}
		now, err := r.read(ctx, 0)
		return snap, now, err
	}
	var snap Snapshot
	now, err := r.readBy(ctx, 0, rootKey, func(ctx context.Context, what string) (Snapshot, error) {
		both, err := call(ctx, r.s, r.s.slots, "list", r.s.cfg.CallTimeout, func(ctx context.Context) ([2]Snapshot, error) {
			first, second, err := pairs.ListPair(ctx, prefix, what)
			return [2]Snapshot{first, second}, err
		})
		if err != nil {
			return Snapshot{}, fmt.Errorf("read %q and %q: %w", prefix, what, err)
		}
		snap = both[0]
		return both[1], nil
	})
	return snap, now, err
}
