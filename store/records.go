package store

import (
	"context"
	"errors"
	"fmt"
	"time"
)

func isGone(err error) bool { return errors.Is(err, ErrGone) }

// Create makes a record that the lease's session owns, if the key is absent. Someone stands behind
// the key from before the request is sent until Forget or Delete: if the error's class is unknown,
// the record may exist, or may yet come to; the caller forgets the key and takes another one, and
// the lease deletes what appears (R4).
func (l *Lease) Create(ctx context.Context, key string, value []byte) (Record, error) {
	if !l.Valid() {
		return Record{}, l.Err()
	}
	l.mu.Lock()
	if _, taken := l.live[key]; taken {
		l.mu.Unlock()
		return Record{}, fmt.Errorf("create %q: this process has it already: %w", key, ErrConflict)
	}
	l.live[key] = 0
	l.mu.Unlock()
	rev, err := l.store.applyOne(ctx, Write{Kind: Create, Key: key, Value: value, Session: l.id})
	if err != nil {
		if known(err) {
			l.mu.Lock()
			delete(l.live, key)
			l.mu.Unlock()
		} else {
			l.Forget(key)
		}
		return Record{}, l.gone(fmt.Errorf("create %q: %w", key, err))
	}
	l.mu.Lock()
	if _, still := l.live[key]; still {
		l.live[key] = rev
	}
	l.mu.Unlock()
	return Record{Key: key, Value: value, CreateRev: rev, ModRev: rev, Session: l.id}, nil
}

// Update changes a record of the lease's if its ModRev is still the one given.
func (l *Lease) Update(ctx context.Context, r Record, value []byte) (Record, error) {
	if !l.Valid() {
		return Record{}, l.Err()
	}
	rev, err := l.store.applyOne(ctx, Write{Kind: Update, Key: r.Key, If: r.ModRev, Value: value, Session: l.id})
	if err != nil {
		return Record{}, l.gone(fmt.Errorf("update %q: %w", r.Key, err))
	}
	r.Value, r.ModRev = value, rev
	return r, nil
}

// Delete forgets the record and deletes it, whatever its ModRev is by now. It returns nil once it is
// known gone; on an error the lease goes on deleting it (R4).
func (l *Lease) Delete(ctx context.Context, r Record) error {
	l.Forget(r.Key)
	for {
		// As it was last known, which saves a round trip if it is so.
		_, err := l.store.applyOne(ctx, Write{Kind: Delete, Key: r.Key, If: r.ModRev})
		if err == nil {
			return nil
		}
		if !errors.Is(err, ErrConflict) {
			return fmt.Errorf("delete %q: %w", r.Key, err)
		}
		snap, err := l.store.List(ctx, r.Key)
		if err != nil {
			return fmt.Errorf("delete %q: %w", r.Key, err)
		}
		if len(snap.Records) == 0 || snap.Records[0].Session != l.id {
			return nil
		}
		r = snap.Records[0]
	}
}

// Forget says that nobody stands behind the key any more: what the session owns under it, or comes
// to own, is deleted.
func (l *Lease) Forget(key string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.live, key)
	l.sweepUntil = l.store.now() + 2*l.session.ttl
}

// gone ends the lease if the error says that its session is gone.
func (l *Lease) gone(err error) error {
	if isGone(err) {
		l.lose(fmt.Errorf("the service no longer has it: %w", err))
	}
	return err
}

func (l *Lease) suspicious() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.store.now() < l.sweepUntil
}

// sweep deletes the records of the session that nobody stands behind: creates that were given up
// and committed later, deletes that failed, and what a restored store brought back (R4, R5). It
// runs at every renewal for two TTLs after a doubt arose, and at every tenth renewal otherwise.
func (l *Lease) sweep(ctx context.Context) {
	if !l.sweeping.TryLock() {
		return
	}
	defer l.sweeping.Unlock()
	s := l.store
	limit := max(l.session.ttl/5, 100*time.Millisecond)
	records, err := call(ctx, s, s.slots, "owned", limit, func(ctx context.Context) ([]Record, error) {
		return s.driver.Owned(ctx, l.id)
	})
	if err != nil {
		s.log.Debug("sweep failed", "session", l.id, "err", err)
		return
	}
	// A key is live from before its create is sent, and never again once forgotten; so a record
	// that was read and whose key is not live now is a ghost.
	var writes []Write
	l.mu.Lock()
	for _, r := range records {
		if created, live := l.live[r.Key]; !live || created != 0 && created != r.CreateRev {
			writes = append(writes, Write{Kind: Delete, Key: r.Key, If: r.ModRev})
		}
	}
	l.mu.Unlock()
	if len(writes) == 0 {
		return
	}
	outcomes, err := s.Apply(ctx, writes)
	if err != nil {
		if ctx.Err() == nil { // else the session ends, and they with it
			s.log.Warn("records that nobody stands behind could not be deleted yet", "session", l.id, "records", len(writes), "err", err)
		}
		return
	}
	for i, o := range outcomes {
		if o.Err == nil {
			s.meter.swept.Inc()
			s.log.Info("deleted a record that nobody stood behind", "session", l.id, "key", writes[i].Key)
		}
	}
}
