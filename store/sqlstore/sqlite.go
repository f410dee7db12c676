package sqlstore

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/muster-go/muster/internal/bootclock"
	"github.com/muster-go/muster/store"
)

// SQLiteConfig says which file holds the store.
type SQLiteConfig struct {
	// Path is the absolute path of the database. The file (mode 0600) and missing folders (0700) are
	// created. A lock file, with ".lock" after the name, and SQLite's own "-wal" and "-shm" stand
	// beside it.
	Path string
	// Clock decides how long sessions live and when to poll. Default: bootclock.Clock.
	Clock store.Clock
	// Logger gets a line when the file is lost and when it is back. Default: slog.Default().
	Logger *slog.Logger
	// Poll is the time between two looks at the file's change counter, 1 to 80 ms. Default: 50 ms.
	// Where the kernel tells of changes, and with the default clock, a look follows each of them
	// within 10 ms, and at rest looks are ten times rarer.
	Poll time.Duration

	keep uint64 // commits that the change log holds; default changesKept
}

// Validate reports the first value that can't be used (store.ErrInvalid).
func (c SQLiteConfig) Validate() error {
	switch {
	case c.Path == "":
		return fmt.Errorf("SQLite store: the path is empty: give the absolute path of a database file: %w", store.ErrInvalid)
	case strings.ContainsRune(c.Path, 0):
		return fmt.Errorf("SQLite store: the path %q has a NUL byte: leave it out: %w", c.Path, store.ErrInvalid)
	case !filepath.IsAbs(c.Path):
		return fmt.Errorf("SQLite store: the path %q is relative: give an absolute one: %w", c.Path, store.ErrInvalid)
	case strings.HasSuffix(filepath.ToSlash(c.Path), "/"):
		return fmt.Errorf("SQLite store: the path %q names a folder: add the name of a file, such as muster.db: %w", c.Path, store.ErrInvalid)
	case c.Poll < 0 || c.Poll > 0 && c.Poll < time.Millisecond || c.Poll > 80*time.Millisecond:
		return fmt.Errorf("SQLite store: a poll every %v: use 1ms to 80ms: %w", c.Poll, store.ErrInvalid)
	}
	return nil
}

func (c SQLiteConfig) withDefaults() SQLiteConfig {
	c.Path = filepath.Clean(c.Path)
	if c.Clock == nil {
		c.Clock = bootclock.Clock
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.keep == 0 {
		c.keep = changesKept
	}
	if c.Poll == 0 {
		c.Poll = 50 * time.Millisecond
	}
	return c
}

// OpenSQLite is the store.Opener for URLs like sqlite:///var/lib/muster/muster.db.
func OpenSQLite(ctx context.Context, u *url.URL, clk store.Clock) (store.Driver, error) {
	path, err := sqlitePath(u)
	if err != nil {
		return nil, err
	}
	return SQLite(ctx, SQLiteConfig{Path: path, Clock: clk})
}

func sqlitePath(u *url.URL) (string, error) {
	refuse := func(fault string) (string, error) {
		return "", fmt.Errorf("store URL %q %s: %w", store.Redact(u.String()), fault, store.ErrInvalid)
	}
	switch {
	case u.Opaque != "":
		return refuse(fmt.Sprintf("has a relative path: write the absolute one after three slashes, such as sqlite:///var/lib/%s", filepath.Base(u.Opaque)))
	case u.Host != "" || u.User != nil:
		return refuse(fmt.Sprintf("has a host, which a file doesn't have: did you mean sqlite:///%s%s?", u.Host, u.Path))
	case u.RawQuery != "" || u.Fragment != "":
		return refuse("has something after the path: write a ? or # of the path as %3F or %23, and leave out options")
	case u.Path == "" || u.Path == "/":
		return refuse("has no path: write sqlite:///absolute/path")
	case !strings.HasPrefix(u.Path, "/"):
		return refuse("has a relative path: write sqlite:///absolute/path")
	}
	if runtime.GOOS == "windows" { // sqlite:///C:/folder/file
		return filepath.FromSlash(strings.TrimPrefix(u.Path, "/")), nil
	}
	return u.Path, nil
}

// SQLite opens, or creates, the database at the path. It fails, and leaves nothing behind, with
// store.ErrInvalid (a bad path, a network file system, a file that is no database, another
// program's or a newer version's), with store.ErrUnauthorized (permissions), or with an error after
// which trying again may help (the file is locked). It waits for locks until ctx ends, at most 15 s.
func SQLite(ctx context.Context, cfg SQLiteConfig) (store.Driver, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	d := newDriver(cfg.withDefaults())
	if err := d.start(ctx); err != nil {
		return nil, err
	}
	return d, nil
}
