package server

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"regexp"
	"time"

	"github.com/muster-go/muster/internal/bootclock"
	"github.com/muster-go/muster/store"
)

// Config says where the store is, and how it is reached.
type Config struct {
	// DB reaches the server.
	DB *sql.DB
	// Steady reaches it for renewals and polls, so that no write which waits for a lock is in their
	// way. Default: DB.
	Steady *sql.DB
	// Close closes what was opened for the driver; it must not block. Default: nothing.
	Close func()
	// Doubt is called when a request was given up that had no answer for a while: connections that
	// nobody uses may be as dead. Default: nothing.
	Doubt func()
	// Dialect is what the server speaks.
	Dialect *Dialect
	// Name is what messages call the store: "PostgreSQL h1:5432/db".
	Name string
	// Names are those of the tables.
	Names Names
	// NoDDL says that the tables were made by somebody else: they are only checked.
	NoDDL bool
	// Clock decides how long sessions live and when to poll. Default: bootclock.Clock.
	Clock store.Clock
	// Logger gets a line when the server can't be read, and when it is back. Default: slog.Default().
	Logger *slog.Logger
	// Poll is the time between two looks for changes while no notices tell of them, 10 ms to 500 ms.
	// Default: 100 ms.
	Poll time.Duration
	// Listen waits for notices on a channel until ctx ends or it can't any more: it calls listening
	// once it hears, and heard for each notice. Default: no notices.
	Listen func(ctx context.Context, channel string, listening, heard func()) error

	keep uint64 // commits that the change log holds, at least; default changesKept
}

const (
	// changesKept is how many of the newest commits the change log holds, give or take pruneEvery.
	changesKept = 8192
	pruneEvery  = 1024
)

// Names are the tables' names: all begin with Prefix, and stand in Schema (in MariaDB and MySQL: the
// database), or, if that is empty, where the connection looks first.
type Names struct{ Schema, Prefix string }

// DefaultPrefix is the Prefix of tables that nobody named.
const DefaultPrefix = "muster_"

var goodName = regexp.MustCompile(`^[a-z_][a-z0-9_]{0,23}$`)

// Validate reports the first value that can't be used (store.ErrInvalid).
func (n Names) Validate() error {
	for what, name := range map[string]string{"schema": n.Schema, "prefix of the tables": n.Prefix} {
		if name != "" && !goodName.MatchString(name) {
			return fmt.Errorf("SQL store: the %s %q: use up to 24 small letters, digits and underscores, not beginning with a digit: %w", what, name, store.ErrInvalid)
		}
	}
	return nil
}

// Validate reports the first value that can't be used (store.ErrInvalid).
func (c Config) Validate() error {
	switch {
	case c.DB == nil:
		return fmt.Errorf("SQL store: no DB: make one with sql.Open: %w", store.ErrInvalid)
	case c.Dialect == nil:
		return fmt.Errorf("SQL store: no Dialect: say which server it is: %w", store.ErrInvalid)
	case c.Poll < 0 || c.Poll > 0 && c.Poll < 10*time.Millisecond || c.Poll > 500*time.Millisecond:
		return fmt.Errorf("SQL store: a poll every %v: use 10ms to 500ms: %w", c.Poll, store.ErrInvalid)
	}
	return c.Names.Validate()
}

func (c Config) withDefaults() Config {
	if c.Steady == nil {
		c.Steady = c.DB
	}
	if c.Name == "" {
		c.Name = c.Dialect.Name
	}
	if c.Names.Prefix == "" {
		c.Names.Prefix = DefaultPrefix
	}
	if c.Clock == nil {
		c.Clock = bootclock.Clock
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.Poll == 0 {
		c.Poll = 100 * time.Millisecond
	}
	if c.keep == 0 {
		c.keep = changesKept
	}
	return c
}
