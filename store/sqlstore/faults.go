package sqlstore

import (
	"database/sql"
	sqldriver "database/sql/driver"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/muster-go/muster/store"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// code gives SQLite's primary result code of an error, or -1.
func code(err error) int {
	var e *sqlite.Error
	if errors.As(err, &e) {
		return e.Code() & 0xff
	}
	return -1
}

// busy says that another connection stands in the way, for now.
func busy(err error) bool {
	switch code(err) {
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL:
		return true
	}
	return false
}

// broken says that this connection may never work again: the file must be opened anew.
func broken(err error) bool {
	if errors.Is(err, sqldriver.ErrBadConn) || errors.Is(err, sql.ErrConnDone) {
		return true
	}
	switch code(err) {
	case -1, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL, sqlite3.SQLITE_FULL, sqlite3.SQLITE_NOMEM:
		return false
	}
	return true
}

// refusedClass marks an error after which surely nothing was written.
func refusedClass(err error) error {
	if errors.Is(err, store.ErrRefused) || errors.Is(err, store.ErrGone) {
		return err
	}
	return fmt.Errorf("%w (%w)", err, store.ErrRefused)
}

// opaque keeps the words of an error and drops its class: while a driver lives, nothing about its
// file is permanent.
func opaque(err error) error { return errors.New(err.Error()) }

// errReplaced is in the chain of errors that say that another file, or none, stands at the path.
var errReplaced = errors.New("moved away, deleted or replaced")

// openFault explains why the database at path couldn't be opened.
func openFault(path string, err error) error {
	if errors.Is(err, store.ErrInvalid) || errors.Is(err, store.ErrUnauthorized) {
		return err
	}
	dir := filepath.Dir(path)
	fault := func(what, mend string, class error) error {
		return fmt.Errorf("SQLite store %s: %s (%w): %s: %w", path, what, err, mend, class)
	}
	switch {
	case errors.Is(err, fs.ErrPermission):
		return fault("permission denied", fmt.Sprintf("let this user read and write the file and the folder %s, or choose another path", dir), store.ErrUnauthorized)
	case errors.Is(err, syscall.EROFS):
		return fault("the file system is read-only", "choose a path on one that can be written", store.ErrInvalid)
	case errors.Is(err, syscall.ENOTDIR), errors.Is(err, syscall.EEXIST):
		return fault("a part of the path is not a folder", "choose another path", store.ErrInvalid)
	case errors.Is(err, syscall.ENAMETOOLONG):
		return fault("the path is too long", "choose a shorter one", store.ErrInvalid)
	}
	switch code(err) {
	case sqlite3.SQLITE_NOTADB:
		return fault("the file is not a database", "choose another path, or move the file away; it was not changed", store.ErrInvalid)
	case sqlite3.SQLITE_CORRUPT:
		return fault("the database is damaged", "stop all agents that use it, then restore a backup or move it away with its -wal and -shm files", store.ErrInvalid)
	case sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH:
		return fault("the file can't be written", fmt.Sprintf("let this user write it and the folder %s, or choose another path", dir), store.ErrUnauthorized)
	case sqlite3.SQLITE_CANTOPEN:
		if mayNot(path) || mayNot(dir) {
			return fault("permission denied", fmt.Sprintf("let this user read and write the file and the folder %s, or choose another path", dir), store.ErrUnauthorized)
		}
	}
	if busy(err) {
		return fmt.Errorf("SQLite store %s: locked by another program (%w): try again, or stop what holds it: %w", path, err, store.ErrUnreachable)
	}
	return fmt.Errorf("SQLite store %s: can't be opened: %w", path, err)
}

// mayNot says that path is there, and that this process may not read and write it.
func mayNot(path string) bool {
	if _, err := os.Stat(path); err != nil {
		return errors.Is(err, fs.ErrPermission)
	}
	return !accessible(path)
}
