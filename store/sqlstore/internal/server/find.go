package server

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"github.com/muster-go/muster/store"
)

// Find asks the server behind a handle what it is.
func Find(ctx context.Context, db *sql.DB) (*Dialect, error) {
	type answer struct {
		version string
		err     error
	}
	answers := make(chan answer, 1)
	go func() {
		var a answer
		if a.err = db.PingContext(ctx); a.err == nil {
			if a.err = db.QueryRowContext(ctx, `SELECT version()`).Scan(&a.version); a.err != nil {
				a.version = "unknown" // SQLite has another name for it
				if ctx.Err() == nil {
					a.err = nil
				}
			}
		}
		answers <- a
	}()
	var a answer
	select {
	case a = <-answers:
	case <-ctx.Done():
		a.err = fmt.Errorf("%w: %w", errNoAnswer, context.Cause(ctx))
	}
	if a.err != nil {
		return nil, fmt.Errorf("SQL store: the server can't be reached: %w (%w)", a.err, store.ErrUnreachable)
	}
	if strings.HasPrefix(a.version, "PostgreSQL ") {
		return PostgreSQL, nil
	}
	if major, _, ok := strings.Cut(a.version, "."); ok && strings.Trim(major, "0123456789") == "" {
		return MySQL, nil
	}
	return nil, fmt.Errorf("SQL store: the handle's server is neither PostgreSQL nor MariaDB nor MySQL (version %q): for an SQLite file use sqlstore.SQLite: %w", a.version, store.ErrInvalid)
}
