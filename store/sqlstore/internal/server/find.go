package server

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"github.com/muster-go/muster/store"
)

// Find asks the server behind a handle what it is; name is what messages call the store. It fails with
// the class of store.Opener.
func Find(ctx context.Context, db *sql.DB, name string) (*Dialect, error) {
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
		return nil, unfound(name, a.err)
	}
	major, _, dotted := strings.Cut(a.version, ".")
	switch {
	case strings.HasPrefix(a.version, "PostgreSQL "):
		return PostgreSQL, nil
	case strings.Contains(a.version, "TiDB"), strings.Contains(a.version, "Vitess"):
		return nil, fmt.Errorf("%s: the server speaks MySQL's language, but is none (version %q): use PostgreSQL, MariaDB or MySQL: %w", name, a.version, store.ErrInvalid)
	case strings.Contains(a.version, "MariaDB"):
		return MariaDB, nil
	case dotted && strings.Trim(major, "0123456789") == "":
		return MySQL, nil
	}
	return nil, fmt.Errorf("%s: the handle's server is neither PostgreSQL nor MariaDB nor MySQL (version %q): for an SQLite file use sqlstore.SQLite: %w", name, a.version, store.ErrInvalid)
}

// unfound says why there was no answer.
func unfound(name string, err error) error {
	for _, dialect := range []*Dialect{PostgreSQL, MariaDB} {
		code := dialect.code(err)
		if code == "" {
			continue
		}
		d := &Driver{cfg: Config{Name: name, Dialect: dialect}}
		if err := d.explainFault("opening", dialect.fault(code), err); err != nil {
			return err
		}
	}
	return fmt.Errorf("%s: the server can't be reached: %w (%w)", name, err, store.ErrUnreachable)
}
