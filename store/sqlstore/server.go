package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"time"

	"github.com/muster-go/muster/store"
	"github.com/muster-go/muster/store/sqlstore/internal/server"
)

// Dialect names a kind of database server.
type Dialect string

// The dialects.
const (
	PostgreSQL Dialect = "postgresql" // 12 or newer
	MariaDB    Dialect = "mariadb"    // 10.5 or newer
	MySQL      Dialect = "mysql"      // 8 or newer; the handle must allow several statements in one message (multiStatements)
)

// Config says how a store is kept on a database server. The zero value is good.
type Config struct {
	// Dialect is what the server speaks. Default: New asks the server.
	Dialect Dialect
	// Prefix begins the tables' names: small letters, digits and "_", up to 24. Default: "muster_".
	Prefix string
	// Schema holds the tables (in MariaDB and MySQL: the database). Default: where the connections look
	// first.
	Schema string
	// NoDDL says that the tables are only checked, never made: see Schema.
	NoDDL bool
	// Clock decides how long sessions live and when to poll. Default: bootclock.Clock.
	Clock store.Clock
	// Logger gets a line when the server can't be read, and when it is back. Default: slog.Default().
	Logger *slog.Logger
	// Poll is the time between two looks for changes, 10 to 500 ms. Default: 100 ms.
	Poll time.Duration
}

// Validate reports the first value that can't be used (store.ErrInvalid).
func (c Config) Validate() error {
	switch c.Dialect {
	case "", PostgreSQL, MariaDB, MySQL:
	default:
		return fmt.Errorf("SQL store: unknown dialect %q: use %s, %s or %s: %w", c.Dialect, PostgreSQL, MariaDB, MySQL, store.ErrInvalid)
	}
	return c.with(new(sql.DB), server.PostgreSQL).Validate()
}

func (c Config) with(db *sql.DB, dialect *server.Dialect) server.Config {
	return server.Config{
		DB: db, Dialect: dialect, Names: server.Names{Schema: c.Schema, Prefix: c.Prefix},
		NoDDL: c.NoDDL, Clock: c.Clock, Logger: c.Logger, Poll: c.Poll,
	}
}

// New keeps a store on the database server that a handle reaches: a read-write primary of PostgreSQL,
// MariaDB or MySQL. It makes the tables if they are missing. The handle stays the caller's, who closes
// it after the driver. It should be good for four connections at least, for a write that waits keeps
// one busy, and renewals need another. Its connections may come from a pooler that gives each
// transaction another one, if the handle prepares no statements.
//
// It fails with store.ErrInvalid, store.ErrUnauthorized, or an error after which trying again may help.
// A handle of an SQLite file is refused: see SQLite.
func New(ctx context.Context, db *sql.DB, cfg Config) (store.Driver, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if db == nil {
		return nil, fmt.Errorf("SQL store: no *sql.DB: make one with sql.Open: %w", store.ErrInvalid)
	}
	dialect, err := cfg.Dialect.find(ctx, db)
	if err != nil {
		return nil, err
	}
	d, err := server.Open(ctx, cfg.with(db, dialect))
	if err != nil {
		return nil, err
	}
	return d, nil
}

// find asks the server what it is, unless that is known.
func (d Dialect) find(ctx context.Context, db *sql.DB) (*server.Dialect, error) {
	switch d {
	case PostgreSQL:
		return server.PostgreSQL, nil
	case MariaDB:
		return server.MariaDB, nil
	case MySQL:
		return server.MySQL, nil
	}
	return server.Find(ctx, db, "SQL store")
}

// Schema gives the statements that make the tables, for somebody who may run them where the store's own
// user may not. That user needs SELECT, INSERT, UPDATE and DELETE on them.
func Schema(cfg Config) (string, error) {
	if err := cfg.Validate(); err != nil {
		return "", err
	}
	dialect := server.PostgreSQL
	switch cfg.Dialect {
	case MariaDB:
		dialect = server.MariaDB
	case MySQL:
		dialect = server.MySQL
	}
	return dialect.DDL(server.Names{Schema: cfg.Schema, Prefix: cfg.Prefix}), nil
}
