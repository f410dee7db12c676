package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"net/url"
	"path/filepath"
	"strings"

	"modernc.org/sqlite"
)

// conn is one connection with its prepared statements; for one goroutine at a time, which holds
// the token in turn. It never reconnects by itself: the next file at the path may be another.
//
// Statements run without a context. None of them waits for a lock, and an interrupted one would
// leave the outcome of a write in the dark for nothing.
type conn struct {
	db    *sql.DB
	c     *sql.Conn
	stmts map[string]*sql.Stmt
	turn  chan struct{} // capacity 1: holds a token while somebody uses the connection
}

// openConn opens the file, creating it with the mode of modeOf if that is given and it is missing.
func openConn(path, modeOf string) (*conn, error) {
	path = filepath.ToSlash(path)
	if !strings.HasPrefix(path, "/") { // C:/folder/file
		path = "/" + path
	}
	dsn := "file:" + (&url.URL{Path: path}).EscapedPath() + "?_dqs=0"
	if modeOf == "" {
		dsn += "&mode=rw"
	} else {
		dsn += "&mode=rwc&modeof=" + strings.ReplaceAll(url.QueryEscape(modeOf), "+", "%20")
	}
	connector, err := sqlite.NewConnector(dsn)
	if err != nil {
		return nil, err
	}
	db := sql.OpenDB(connector)
	db.SetMaxOpenConns(1)
	c, err := db.Conn(context.Background())
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return &conn{db: db, c: c, stmts: map[string]*sql.Stmt{}, turn: make(chan struct{}, 1)}, nil
}

func (c *conn) close() error {
	var errs []error
	for _, s := range c.stmts { // an open one would keep SQLite from closing; database/sql won't close it
		errs = append(errs, s.Close())
	}
	return errors.Join(append(errs, c.c.Close(), c.db.Close())...)
}

func (c *conn) prepared(query string) (*sql.Stmt, error) {
	if s, ok := c.stmts[query]; ok {
		return s, nil
	}
	s, err := c.c.PrepareContext(context.Background(), query)
	if err == nil {
		c.stmts[query] = s
	}
	return s, err
}

// exec runs a statement once; not kept prepared, for what runs rarely.
func (c *conn) exec(query string, args ...any) error {
	_, err := c.c.ExecContext(context.Background(), query, args...)
	return err
}

// do runs a prepared statement and gives the number of rows that it changed.
func (c *conn) do(query string, args ...any) (int64, error) {
	s, err := c.prepared(query)
	if err != nil {
		return 0, err
	}
	result, err := s.ExecContext(context.Background(), args...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// one reads one row; sql.ErrNoRows if there is none.
func (c *conn) one(query string, args []any, into ...any) error {
	s, err := c.prepared(query)
	if err != nil {
		return err
	}
	return s.QueryRowContext(context.Background(), args...).Scan(into...)
}

// each calls f for each row.
func (c *conn) each(query string, args []any, f func(scan func(into ...any) error) error) error {
	s, err := c.prepared(query)
	if err != nil {
		return err
	}
	rows, err := s.QueryContext(context.Background(), args...)
	if err != nil {
		return err
	}
	for rows.Next() {
		if err := f(rows.Scan); err != nil {
			return errors.Join(err, rows.Close())
		}
	}
	return errors.Join(rows.Err(), rows.Close())
}
