package sqlstore

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/muster-go/muster/store"
	"github.com/muster-go/muster/store/sqlstore/internal/keys"
	sqlite3 "modernc.org/sqlite/lib"
)

// tx is a write transaction.
type tx struct {
	*conn
	*handle
	changed bool
}

// write runs f in a transaction and commits it, unless f fails. An error of class refused means
// that nothing was written; any other that this isn't known.
func (d *driver) write(ctx context.Context, f func(tx *tx) error) error {
	h, err := d.current()
	if err != nil {
		return err
	}
	defer h.release()
	ctx, cancel := bounded(ctx)
	defer cancel()
	if err := d.giveWay(ctx, h); err != nil {
		return d.unsent(ctx, h, err)
	}
	wait := newBackoff()
	for {
		select {
		case h.writer.turn <- struct{}{}:
		case <-ctx.Done():
			return d.unsent(ctx, h, ctx.Err())
		case <-h.gone:
			return d.unsent(ctx, h, nil)
		}
		var begun bool
		err := ctx.Err()
		if err == nil {
			begun, err = d.transact(h, f)
		}
		<-h.writer.turn
		switch {
		case begun || err == nil:
			return err
		case !busy(err):
			return d.unsent(ctx, h, err)
		}
		if waitErr := wait.sleep(ctx, h.gone); waitErr != nil {
			return d.unsent(ctx, h, fmt.Errorf("%w: %w", waitErr, err))
		}
	}
}

// giveWay waits a moment if this driver wrote just now: SQLite has no queue, and who has just
// written finds the lock free more often than who polls for it.
func (d *driver) giveWay(ctx context.Context, h *handle) error {
	d.mu.Lock()
	since := lockClock.Now().Sub(d.lastEnd)
	d.mu.Unlock()
	if since > 5*time.Millisecond {
		return nil
	}
	return sleep(ctx, lockClock, jitter(3*time.Millisecond), h.gone)
}

// unsent explains why a transaction never began.
func (d *driver) unsent(ctx context.Context, h *handle, err error) error {
	d.mu.Lock()
	closed, lost := d.closed, d.lost
	d.mu.Unlock()
	select {
	case <-h.gone:
		if closed {
			return store.ErrClosed
		}
		err = lost
	default:
		if ctx.Err() != nil {
			err = fmt.Errorf("SQLite store %s: no turn to write: %w: %w", d.cfg.Path, context.Cause(ctx), err)
		}
	}
	if lostBy(err) {
		d.lose(h, err)
	}
	return fmt.Errorf("%w (%w)", err, store.ErrUnreachable)
}

// transact tries once; begun says that the lock was had.
func (d *driver) transact(h *handle, f func(tx *tx) error) (begun bool, err error) {
	d.requests.Add(1)
	if _, err := h.writer.do(sqlBegin); err != nil {
		return false, err
	}
	t := &tx{conn: h.writer, handle: h}
	if err = f(t); err != nil {
		if _, rollbackErr := h.writer.do(sqlRollback); rollbackErr != nil && broken(err) {
			err = errors.Join(err, rollbackErr)
		}
		err = refusedClass(err)
	} else if _, err = h.writer.do(sqlCommit); err != nil {
		_, _ = h.writer.do(sqlRollback) // SQLite may have done it already
		if code(err) == sqlite3.SQLITE_FULL || busy(err) {
			err = refusedClass(err)
		}
	} else {
		err = h.check() // a commit in a file that isn't at the path any more doesn't count
	}
	d.mu.Lock()
	d.lastEnd = lockClock.Now()
	d.unsaved = d.unsaved || err == nil
	d.mu.Unlock()
	if err != nil && lostBy(err) {
		d.lose(h, err)
	} else if t.changed {
		d.wake()
	}
	return true, err
}

// nextRev takes the next revision; the transaction keeps all others from writing until it commits.
func (t *tx) nextRev() (uint64, error) {
	var rev uint64
	var id string
	if err := t.one(sqlNextRev, nil, &rev, &id); err != nil {
		return 0, err
	}
	if id != t.store {
		return 0, fmt.Errorf("SQLite store %s: the content was %w", t.path, errReplaced)
	}
	t.changed = true
	if rev%pruneEvery == 0 && rev > t.keep {
		if _, err := t.do(sqlPrune, rev-t.keep); err != nil {
			return 0, err
		}
		if _, err := t.do(sqlPruned, rev-t.keep); err != nil {
			return 0, err
		}
	}
	return rev, nil
}

// Grant implements store.Driver.
func (d *driver) Grant(ctx context.Context, ttl time.Duration) (store.SessionID, error) {
	if err := d.Limits().Check(ttl); err != nil {
		return "", err
	}
	id := store.SessionID(rand.Text())
	err := d.write(ctx, func(tx *tx) error {
		_, err := tx.do(sqlGrant, string(id), int64(ttl))
		return err
	})
	if err != nil {
		return "", err
	}
	return id, nil
}

// Renew implements store.Driver.
func (d *driver) Renew(ctx context.Context, id store.SessionID) error {
	return d.write(ctx, func(tx *tx) error {
		n, err := tx.do(sqlRenew, string(id))
		if err == nil && n == 0 {
			err = fmt.Errorf("renew: %w", store.ErrSessionGone)
		}
		return err
	})
}

// Revoke implements store.Driver.
func (d *driver) Revoke(ctx context.Context, id store.SessionID) error {
	return d.write(ctx, func(tx *tx) error {
		n, err := tx.do(sqlDropSession, string(id))
		if err != nil || n == 0 {
			return err
		}
		return tx.dropOwned(id)
	})
}

// dropOwned deletes what a session owns that was deleted in this transaction.
func (t *tx) dropOwned(id store.SessionID) error {
	var owned []store.Record
	err := t.each(sqlOwned, []any{string(id)}, func(scan func(...any) error) error {
		r, err := scanRecord(scan)
		owned = append(owned, r)
		return err
	})
	if err != nil {
		return err
	}
	for _, r := range owned {
		if _, err := t.delete(r); err != nil {
			return err
		}
	}
	return nil
}

func (t *tx) delete(r store.Record) (uint64, error) {
	rev, err := t.nextRev()
	if err != nil {
		return 0, err
	}
	if _, err := t.do(sqlDelete, r.Key); err != nil {
		return 0, err
	}
	_, err = t.do(sqlChange, rev, r.Key, 1, r.CreateRev, r.ModRev, string(r.Session))
	return rev, err
}

// Apply implements store.Driver: one transaction for all writes.
func (d *driver) Apply(ctx context.Context, writes []store.Write) ([]store.Outcome, error) {
	if err := keys.CheckWrites(writes, d.Limits().MaxValue); err != nil || len(writes) == 0 {
		return nil, err
	}
	outcomes := make([]store.Outcome, len(writes))
	err := d.write(ctx, func(tx *tx) error {
		for i, w := range writes {
			rev, err := tx.apply(w)
			if err != nil && !errors.Is(err, store.ErrConflict) && !errors.Is(err, store.ErrSessionGone) {
				return err
			}
			outcomes[i] = store.Outcome{Rev: rev, Err: err}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return outcomes, nil
}

func (t *tx) apply(w store.Write) (uint64, error) {
	old := store.Record{Key: w.Key}
	err := t.one(sqlRecord, []any{w.Key}, &old.CreateRev, &old.ModRev, (*string)(&old.Session))
	there := err == nil
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return 0, err
	}
	if there == (w.Kind == store.Create) || there && old.ModRev != w.If {
		return 0, store.ErrConflict
	}
	if w.Kind == store.Delete {
		return t.delete(old)
	}
	if w.Session != "" {
		var n int
		if err := t.one(sqlHasSession, []any{string(w.Session)}, &n); err != nil {
			return 0, err
		}
		if n == 0 {
			return 0, store.ErrSessionGone
		}
	}
	rev, err := t.nextRev()
	if err != nil {
		return 0, err
	}
	created := old.CreateRev
	if w.Kind == store.Create {
		created = rev
		_, err = t.do(sqlInsert, w.Key, w.Value, rev, rev, string(w.Session))
	} else {
		_, err = t.do(sqlUpdate, w.Value, rev, string(w.Session), w.Key)
	}
	if err != nil {
		return 0, err
	}
	_, err = t.do(sqlChange, rev, w.Key, 0, created, rev, string(w.Session))
	return rev, err
}
