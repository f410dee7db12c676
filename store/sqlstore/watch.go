package sqlstore

import (
	"context"
	"database/sql"
	"errors"

	"github.com/muster-go/muster/store"
	"github.com/muster-go/muster/store/sqlstore/internal/feed"
)

// change is a row of the change log, or all null.
type change struct {
	rev, created, modified sql.Null[uint64]
	deleted                sql.Null[int]
	key, session           sql.NullString
	live                   bool
}

// item is what the poll loop tells watches; it comes from the opened database that it is about.
type item = feed.Item[*handle]

// newFeed makes what all watches of a driver share.
func (d *driver) newFeed() *feed.Feed[*handle] {
	return feed.New(feed.Config[*handle]{
		List: d.list, Clock: d.cfg.Clock, Retry: d.cfg.Poll, Closing: d.closing,
		Fatal: func(err error) bool { return errors.Is(err, store.ErrInvalid) || errors.Is(err, store.ErrClosed) },
	})
}

// Watch implements store.Driver. It runs emit on the caller's goroutine.
func (d *driver) Watch(ctx context.Context, prefix string, emit func(store.Event)) error {
	d.mu.Lock()
	closed := d.closed
	d.mu.Unlock()
	if closed {
		return store.ErrClosed
	}
	return d.feed.Watch(ctx, prefix, emit)
}
