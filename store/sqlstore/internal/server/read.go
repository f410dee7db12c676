package server

import (
	"context"
	"database/sql"

	"github.com/muster-go/muster/store"
	"github.com/muster-go/muster/store/sqlstore/internal/keys"
)

// reading is what one statement read: its revision, and records.
type reading struct {
	store   string
	rev     uint64
	records []store.Record
}

// read runs a statement that gives revision, store and records.
func read(statement string, args ...any) func(context.Context, *sql.Conn) (reading, error) {
	return func(ctx context.Context, c *sql.Conn) (reading, error) {
		rows, err := c.QueryContext(ctx, statement, args...)
		if err != nil {
			return reading{}, err
		}
		defer func() { _ = rows.Close() }()
		var r reading
		for rows.Next() {
			var key, session sql.NullString
			var value []byte
			var created, modified sql.Null[uint64]
			if err := rows.Scan(&r.rev, &r.store, &key, &value, &created, &modified, &session); err != nil {
				return reading{}, err
			}
			if key.Valid {
				r.records = append(r.records, store.Record{
					Key: key.String, Value: value, CreateRev: created.V, ModRev: modified.V, Session: store.SessionID(session.String),
				})
			}
		}
		if err := rows.Err(); err != nil {
			return reading{}, err
		}
		if r.store == "" {
			return reading{}, errNoMeta
		}
		return r, nil
	}
}

// Owned implements store.Driver.
func (d *Driver) Owned(ctx context.Context, id store.SessionID) ([]store.Record, error) {
	before := d.sight()
	r, err := ask(ctx, d, "owned", d.cfg.DB, read(d.sql.owned, sent(id)))
	if err != nil {
		return nil, err
	}
	d.witness(before, r.store, r.rev)
	return r.records, nil
}

// List implements store.Driver.
func (d *Driver) List(ctx context.Context, prefix string) (store.Snapshot, error) {
	snapshot, _, err := d.list(ctx, prefix, ask[reading])
	return snapshot, err
}

func (d *Driver) listForWatch(ctx context.Context, prefix string) (store.Snapshot, uint64, error) {
	return d.list(ctx, prefix, func(ctx context.Context, d *Driver, what string, db *sql.DB, f func(context.Context, *sql.Conn) (reading, error)) (reading, error) {
		return own(ctx, d, d.lists, what, db, f)
	})
}

type asking func(context.Context, *Driver, string, *sql.DB, func(context.Context, *sql.Conn) (reading, error)) (reading, error)

func (d *Driver) list(ctx context.Context, prefix string, by asking) (store.Snapshot, uint64, error) {
	if err := keys.CheckPrefix(prefix); err != nil {
		return store.Snapshot{}, 0, err
	}
	low, high := keys.Range(prefix)
	before := d.sight()
	r, err := by(ctx, d, "list", d.cfg.DB, read(d.sql.list, low, high))
	if err != nil {
		return store.Snapshot{}, 0, err
	}
	generation := d.witness(before, r.store, r.rev)
	return store.Snapshot{Records: r.records, Rev: r.rev}, generation, nil
}

// ListPair implements store.PairLister.
func (d *Driver) ListPair(ctx context.Context, first, second string) (store.Snapshot, store.Snapshot, error) {
	var bounds []any
	for _, prefix := range []string{first, second} {
		if err := keys.CheckPrefix(prefix); err != nil {
			return store.Snapshot{}, store.Snapshot{}, err
		}
		low, high := keys.Range(prefix)
		bounds = append(bounds, low, high)
	}
	before := d.sight()
	r, err := ask(ctx, d, "list", d.cfg.DB, read(d.sql.pair, bounds...))
	if err != nil {
		return store.Snapshot{}, store.Snapshot{}, err
	}
	d.witness(before, r.store, r.rev)
	one, two := store.Snapshot{Rev: r.rev}, store.Snapshot{Rev: r.rev}
	for _, record := range r.records {
		if keys.In(first, record.Key) {
			one.Records = append(one.Records, record)
		}
		if keys.In(second, record.Key) {
			two.Records = append(two.Records, record)
		}
	}
	return one, two, nil
}
