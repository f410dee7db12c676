package sqlfence

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/muster-go/muster/claimer/fence"
)

// ErrNoRow says that there is no row to protect, and nothing was written. Create it, with a fence of
// 0, before the first write.
const ErrNoRow fence.Error = "no such row"

// Rows are the protected rows of one table. Its names go into statements as they are, so that they
// can be quoted or qualified: they must be the program's own, never a user's.
type Rows struct {
	Table string // the table
	Key   string // the column that names a row, each its own
	Fence string // the column of the fence. Default: "fence"
	// Placeholder gives the nth parameter, from 1, as the database wants it. Default: "?" for each;
	// Dollar is PostgreSQL's.
	Placeholder func(n int) string
}

// Dollar gives $1, $2, …
func Dollar(n int) string { return "$" + strconv.Itoa(n) }

// Column is one column of a row, and what is to stand in it.
type Column struct {
	Name  string
	Value any
}

// DB is a *sql.DB, a *sql.Conn or a *sql.Tx.
type DB interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// Validate refuses Rows without a table or a key, with fence.ErrInvalid.
func (r Rows) Validate() error {
	switch {
	case r.Table == "":
		return fmt.Errorf("fenced rows: no Table: name the table: %w", fence.ErrInvalid)
	case r.Key == "":
		return fmt.Errorf("fenced rows of %s: no Key: name the column that tells the rows apart: %w", r.Table, fence.ErrInvalid)
	}
	return nil
}

// Update writes the columns of the row with this key, and the token as its fence, if the fence isn't
// above the token. *fence.StaleError (errors.Is fence.ErrStale): a greater token was there before,
// and nothing was written. ErrNoRow: no row has the key.
func (r Rows) Update(ctx context.Context, db DB, key any, token uint64, columns ...Column) error {
	if err := r.Validate(); err != nil {
		return err
	}
	what := fmt.Sprintf("row %v of %s", key, r.Table)
	if err := fence.CheckToken(what, token); err != nil {
		return err
	}
	query, args := r.statement(key, token, columns)
	result, err := db.ExecContext(ctx, query, args...)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	matched, err := result.RowsAffected()
	if err != nil {
		return fmt.Errorf("%s: the driver doesn't tell how many rows were written: %w", what, err)
	}
	switch {
	case matched == 0:
		return r.refused(ctx, db, what, key, token)
	case matched > 1:
		return fmt.Errorf("%s: %d rows have this key, and all were written: column %s must tell the rows apart: %w", what, matched, r.Key, fence.ErrInvalid)
	}
	return nil
}

// Guard is Update of the fence alone, as the first statement of a transaction, which it protects as a
// whole: roll it back if there is an error.
func (r Rows) Guard(ctx context.Context, tx *sql.Tx, key any, token uint64) error {
	return r.Update(ctx, tx, key, token)
}

// statement is UPDATE table SET column = ?, …, fence = ? WHERE key = ? AND fence <= ?.
func (r Rows) statement(key any, token uint64, columns []Column) (string, []any) {
	var args []any
	parameter := func(value any) string {
		args = append(args, value)
		return r.parameter(len(args))
	}
	var b strings.Builder
	fmt.Fprintf(&b, "UPDATE %s SET ", r.Table)
	for _, c := range columns {
		fmt.Fprintf(&b, "%s = %s, ", c.Name, parameter(c.Value))
	}
	fmt.Fprintf(&b, "%s = %s WHERE ", r.fence(), parameter(int64(token)))
	fmt.Fprintf(&b, "%s = %s AND ", r.Key, parameter(key))
	fmt.Fprintf(&b, "%s <= %s", r.fence(), parameter(int64(token)))
	return b.String(), args
}

func (r Rows) parameter(n int) string {
	if r.Placeholder == nil {
		return "?"
	}
	return r.Placeholder(n)
}

func (r Rows) fence() string {
	if r.Fence == "" {
		return "fence"
	}
	return r.Fence
}

// refused says why the statement matched no row. Only a fence above the token proves that it is
// stale: within a transaction this read may be older than what the statement met.
func (r Rows) refused(ctx context.Context, db DB, what string, key any, token uint64) error {
	var seen int64
	query := fmt.Sprintf("SELECT %s FROM %s WHERE %s = %s", r.fence(), r.Table, r.Key, r.parameter(1))
	switch err := db.QueryRowContext(ctx, query, key).Scan(&seen); {
	case errors.Is(err, sql.ErrNoRows):
		return fmt.Errorf("%s: %w: create it, with a fence of 0", what, ErrNoRow)
	case err != nil:
		return fmt.Errorf("%s: nothing was written, and its fence can't be read: %w", what, err)
	case seen < 0 || uint64(seen) <= token:
		return fmt.Errorf("%s: nothing was written with token %d, and the fence reads %d: the row is just changing, or the driver counts only rows that changed (MariaDB, MySQL: set clientFoundRows=true): try again", what, token, seen)
	}
	return &fence.StaleError{What: what, Token: token, Fence: uint64(seen)}
}
