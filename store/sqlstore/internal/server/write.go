package server

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/muster-go/muster/store"
	"github.com/muster-go/muster/store/sqlstore/internal/keys"
)

// maxKey is the longest key that every server can look for.
const maxKey = 1500

// Grant implements store.Driver.
func (d *Driver) Grant(ctx context.Context, ttl time.Duration) (store.SessionID, error) {
	if err := limits.Check(ttl); err != nil {
		return "", err
	}
	id := newID()
	_, err := ask(ctx, d, "grant", d.cfg.Steady, func(ctx context.Context, c *sql.Conn) (int64, error) {
		n, err := affected(c.ExecContext(ctx, d.sql.grant, id, int64(ttl)))
		if err == nil && n == 0 {
			err = d.explainFault("grant", faultReadOnly, errReadOnly)
		}
		return n, err
	})
	if err != nil {
		return "", err
	}
	return store.SessionID(id), nil
}

// Renew implements store.Driver: one statement, which waits for nobody's lock but that of who ends
// the session.
func (d *Driver) Renew(ctx context.Context, id store.SessionID) error {
	named := sent(id)
	n, err := ask(ctx, d, "renew", d.cfg.Steady, func(ctx context.Context, c *sql.Conn) (int64, error) {
		n, err := affected(c.ExecContext(ctx, d.sql.renew, named))
		if err != nil || n > 0 || d.sql.writable == "" {
			return n, err
		}
		var writable int
		if err := c.QueryRowContext(ctx, d.sql.writable).Scan(&writable); err != nil {
			return 0, err
		}
		if writable == 0 { // it says nothing of sessions
			return 0, d.explainFault("renew", faultReadOnly, errReadOnly)
		}
		return 0, nil
	})
	if err == nil && n == 0 {
		return fmt.Errorf("%s: session %s: %w", d.cfg.Name, id, store.ErrSessionGone)
	}
	return err
}

func affected(result sql.Result, err error) (int64, error) {
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// Revoke implements store.Driver.
func (d *Driver) Revoke(ctx context.Context, id store.SessionID) error {
	if !isID(id) {
		return nil
	}
	_, err := ask(ctx, d, "revoke", d.cfg.DB, func(ctx context.Context, c *sql.Conn) (bool, error) {
		return d.cfg.Dialect.end(ctx, d, c, ending{id: id}, mark())
	})
	if err == nil {
		d.wake()
	}
	return err
}

// Apply implements store.Driver: one transaction, and one revision, for all writes.
func (d *Driver) Apply(ctx context.Context, writes []store.Write) ([]store.Outcome, error) {
	if err := keys.CheckWrites(writes, limits.MaxValue); err != nil || len(writes) == 0 {
		return nil, err
	}
	for _, w := range writes {
		if len(w.Key) > maxKey {
			return nil, fmt.Errorf("write of a key with %d bytes: use at most %d: %w", len(w.Key), maxKey, store.ErrInvalid)
		}
	}
	writes = slices.Clone(writes)
	for i, w := range writes {
		if w.Session != "" {
			writes[i].Session = store.SessionID(cmp.Or(sent(w.Session), "?"))
		}
	}
	before := d.sight()
	a, err := ask(ctx, d, "write", d.cfg.DB, func(ctx context.Context, c *sql.Conn) (applied, error) {
		return d.cfg.Dialect.apply(ctx, d, c, writes, mark())
	})
	if err != nil {
		return nil, err
	}
	wrote := false
	for _, o := range a.outcomes {
		if errors.Is(o.Err, errNoOutcome) {
			return nil, fmt.Errorf("%s: write: %w", d.cfg.Name, o.Err)
		}
		wrote = wrote || o.Err == nil
	}
	if wrote {
		d.witness(before, a.store, a.rev)
		d.wake()
	}
	return a.outcomes, nil
}
