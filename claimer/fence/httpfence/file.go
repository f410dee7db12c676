package httpfence

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"github.com/muster-go/muster/claimer/fence"
)

// File is a Maximum in a file, as one decimal number. It must be closed.
type File struct {
	path string

	mu     sync.Mutex // held while the file is replaced
	lock   *os.File
	closed bool
}

// OpenFile makes a Maximum of the file at the path, which need not be there yet; its folder must. The
// File is this process's alone: on Unix another one's OpenFile fails until this one is closed, or
// its process ends. Beside the file stand a lock file (".lock") and, for a moment, the next one
// (".next").
func OpenFile(path string) (*File, error) {
	lock, err := os.OpenFile(path+".lock", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("greatest token: %w", err)
	}
	locked, err := tryFlock(lock)
	if err == nil && !locked {
		err = fmt.Errorf("another process has it: end that one first, or give each a file, and a resource, of its own: %w", fence.ErrInvalid)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("greatest token in %s: %w", path, err), lock.Close())
	}
	return &File{path: path, lock: lock}, nil
}

// Load implements Maximum. A file that holds anything else but a number is refused, with
// fence.ErrInvalid.
func (f *File) Load(context.Context) (uint64, error) {
	text, err := os.ReadFile(f.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return 0, nil
	case err != nil:
		return 0, fmt.Errorf("greatest token: %w", err)
	}
	token, err := strconv.ParseUint(strings.TrimSuffix(string(text), "\n"), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("greatest token in %s: %q is no number: restore the file, or write the token of the present claim (agent status shows it) into it: %w", f.path, clip(text), fence.ErrInvalid)
	}
	return token, nil
}

func clip(text []byte) []byte { return text[:min(len(text), 40)] }

// Keep implements Maximum: the file is replaced by one that is on the disk. Once f is closed it fails
// with os.ErrClosed: the file may be another process's by then, and hold a greater token.
func (f *File) Keep(_ context.Context, token uint64) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return fmt.Errorf("greatest token in %s: %w", f.path, os.ErrClosed)
	}
	next := f.path + ".next"
	if err := writeSynced(next, strconv.FormatUint(token, 10)+"\n"); err != nil {
		return fmt.Errorf("greatest token: %w", err)
	}
	if err := os.Rename(next, f.path); err != nil {
		return fmt.Errorf("greatest token: %w", err)
	}
	if err := syncFolder(filepath.Dir(f.path)); err != nil {
		return fmt.Errorf("greatest token: folder of %s: %w", f.path, err)
	}
	return nil
}

// Close gives the file up, after a Keep that is under way. A Fence of it raises nothing any more, so
// stop serving first. Closing again does nothing.
func (f *File) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return nil
	}
	f.closed = true
	return f.lock.Close()
}

func writeSynced(path, text string) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = file.WriteString(text)
	if err == nil {
		err = file.Sync()
	}
	return errors.Join(err, file.Close())
}
