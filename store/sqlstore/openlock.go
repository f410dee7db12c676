package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/muster-go/muster/store"
)

// openLock is held, on the lock file, by whoever is opening the database, from before the first
// look at it until all connections are open. So creating one, and clearing away what a replaced one
// left, never happen twice at a time.
//
// The file also says which -wal file belongs to which database, because SQLite can't tell: it would
// apply what a replaced database left in its -wal file to the one that stands at the path now.
type openLock struct {
	place
	f       *os.File
	created bool
}

// lockOpening waits for the lock until ctx ends, or closing is closed.
func lockOpening(ctx context.Context, p place, closing <-chan struct{}) (*openLock, error) {
	wait := newBackoff()
	for {
		l, err := tryLockOpening(p)
		if l != nil || err != nil {
			return l, err
		}
		if err := wait.sleep(ctx, closing); err != nil {
			return nil, fmt.Errorf("SQLite store %s: another process has been opening it all the time, and may be stopped or stuck: continue or end what holds %s (%w): %w", p.path, p.lock(), err, store.ErrUnreachable)
		}
	}
}

// tryLockOpening gives nil without an error if somebody else has the lock.
func tryLockOpening(p place) (*openLock, error) {
	l := &openLock{place: p}
	var err error
	l.f, err = os.OpenFile(p.lock(), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	l.created = err == nil
	if errors.Is(err, fs.ErrExist) {
		l.f, err = os.OpenFile(p.lock(), os.O_RDWR, 0)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, nil // it was removed in between
		}
	}
	if err != nil {
		return nil, err
	}
	locked, err := tryFlock(l.f)
	if err == nil && locked {
		// The one who created it may have failed and removed it before we had the lock.
		opened, openedErr := l.f.Stat()
		there, thereErr := os.Stat(p.lock())
		if openedErr == nil && thereErr == nil && os.SameFile(opened, there) {
			return l, nil
		}
	}
	return nil, errors.Join(err, l.f.Close())
}

// unlock lets the next one open; closing the file drops the lock.
func (l *openLock) unlock() { _ = l.f.Close() }

// undo removes the file if it wasn't there before.
func (l *openLock) undo() {
	if l.created {
		_ = os.Remove(l.lock())
	}
}

// dropForeignWAL removes the -wal and -shm files if they belong to another database than the one
// that stands at the path.
func (l *openLock) dropForeignWAL() error {
	content, err := io.ReadAll(io.NewSectionReader(l.f, 0, 1024))
	if err != nil {
		return err
	}
	db, wal, ok := strings.Cut(strings.TrimSpace(string(content)), " ")
	if !ok || wal == "" || wal != identity(l.wal()) || db == identity(l.real) {
		return nil
	}
	for _, path := range []string{l.shm(), l.wal()} { // in this order: after a crash here the next one goes on
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// record writes down what belongs together; with the database open.
func (l *openLock) record() error {
	db, wal := identity(l.real), identity(l.wal())
	if db == "" || wal == "" {
		return nil
	}
	line := fmt.Sprintf("%s %s\n", db, wal)
	if _, err := l.f.WriteAt([]byte(line), 0); err != nil {
		return err
	}
	return l.f.Truncate(int64(len(line)))
}
