package sqlstore

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/muster-go/muster/store"
	"github.com/muster-go/muster/store/sqlstore/internal/keys"
)

// read runs f, which must be one statement, on the reading connection.
func (d *driver) read(ctx context.Context, f func(h *handle, c *conn) error) error {
	h, err := d.current()
	if err != nil {
		return err
	}
	defer h.release()
	ctx, cancel := bounded(ctx)
	defer cancel()
	wait := newBackoff()
	for {
		select {
		case h.reader.turn <- struct{}{}:
		case <-ctx.Done():
			return d.unsent(ctx, h, ctx.Err())
		case <-h.gone:
			return d.unsent(ctx, h, nil)
		}
		err := ctx.Err()
		if err == nil {
			d.requests.Add(1)
			err = f(h, h.reader)
		}
		<-h.reader.turn
		if err == nil {
			err = h.check() // what a file says that isn't at the path any more doesn't count
		}
		if err == nil {
			return nil
		}
		if !busy(err) {
			return d.unsent(ctx, h, err)
		}
		if waitErr := wait.sleep(ctx, h.gone); waitErr != nil {
			return d.unsent(ctx, h, fmt.Errorf("%w: %w", waitErr, err))
		}
	}
}

// Owned implements store.Driver.
func (d *driver) Owned(ctx context.Context, id store.SessionID) ([]store.Record, error) {
	var records []store.Record
	err := d.read(ctx, func(_ *handle, c *conn) error {
		records = nil
		return c.each(sqlOwned, []any{string(id)}, func(scan func(...any) error) error {
			r, err := scanRecord(scan)
			records = append(records, r)
			return err
		})
	})
	return records, err
}

// List implements store.Driver.
func (d *driver) List(ctx context.Context, prefix string) (store.Snapshot, error) {
	snapshot, _, err := d.list(ctx, prefix)
	return snapshot, err
}

func (d *driver) list(ctx context.Context, prefix string) (snapshot store.Snapshot, from *handle, err error) {
	if err := keys.CheckPrefix(prefix); err != nil {
		return store.Snapshot{}, nil, err
	}
	low, high := keys.Range(prefix)
	err = d.read(ctx, func(h *handle, c *conn) error {
		from, snapshot = h, store.Snapshot{}
		return c.each(sqlList, []any{low, high}, func(scan func(...any) error) error {
			var id string
			var key, session sql.NullString
			var value []byte
			var created, modified sql.Null[uint64]
			if err := scan(&snapshot.Rev, &id, &key, &value, &created, &modified, &session); err != nil {
				return err
			}
			if id != h.store {
				return fmt.Errorf("SQLite store %s: the content was %w", h.path, errReplaced)
			}
			if key.Valid {
				snapshot.Records = append(snapshot.Records, store.Record{
					Key: key.String, Value: value, CreateRev: created.V, ModRev: modified.V, Session: store.SessionID(session.String),
				})
			}
			return nil
		})
	})
	return snapshot, from, err
}

func scanRecord(scan func(...any) error) (r store.Record, err error) {
	err = scan(&r.Key, &r.Value, &r.CreateRev, &r.ModRev, (*string)(&r.Session))
	return r, err
}
