package sqlstore

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/muster-go/muster/store"
)

// place is where a database stands.
type place struct {
	path string // as configured
	real string // without symbolic links
}

func (p place) dir() string  { return filepath.Dir(p.real) }
func (p place) lock() string { return p.real + ".lock" }
func (p place) wal() string  { return p.real + "-wal" }
func (p place) shm() string  { return p.real + "-shm" }

// findPlace resolves the path, creating missing folders; made lists those, outermost first, also
// when it fails.
func findPlace(path string) (p place, made []string, err error) {
	if err := refuseSpecial(path); err != nil {
		return place{}, nil, err
	}
	made, err = makeFolders(filepath.Dir(path))
	if err != nil {
		return place{}, made, err
	}
	real, err := filepath.EvalSymlinks(path)
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Lstat(path); err == nil {
			return place{}, made, fmt.Errorf("SQLite store %s: is a symbolic link to a file that doesn't exist: remove the link, or create its target: %w", path, store.ErrInvalid)
		}
		var dir string
		dir, err = filepath.EvalSymlinks(filepath.Dir(path))
		real = filepath.Join(dir, filepath.Base(path))
	}
	if err != nil {
		return place{}, made, err
	}
	p = place{path: path, real: real}
	return p, made, refuseNetwork(p.path, p.dir())
}

// refuseSpecial refuses what stands at the path if it can't be a database file.
func refuseSpecial(path string) error {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.IsDir():
		return fmt.Errorf("SQLite store %s: is a folder: add the name of a file, such as %s: %w", path, filepath.Join(path, "muster.db"), store.ErrInvalid)
	case !info.Mode().IsRegular():
		return fmt.Errorf("SQLite store %s: is not a regular file: choose another path: %w", path, store.ErrInvalid)
	case info.Size() > 0 && info.Size() < 512: // SQLite would take it for an empty one
		return fmt.Errorf("SQLite store %s: the file is not a database: choose another path, or move the file away; it was not changed: %w", path, store.ErrInvalid)
	case links(info) > 1:
		return fmt.Errorf("SQLite store %s: the file has %d names (hard links), under which processes would not see each other's writes: remove the others: %w", path, links(info), store.ErrInvalid)
	}
	return nil
}

func makeFolders(dir string) (made []string, err error) {
	if info, err := os.Stat(dir); err == nil && info.IsDir() {
		return nil, nil
	}
	if parent := filepath.Dir(dir); parent != dir {
		if made, err = makeFolders(parent); err != nil {
			return made, err
		}
	}
	switch err := os.Mkdir(dir, 0o700); {
	case err == nil:
		return append(made, dir), nil
	case errors.Is(err, fs.ErrExist): // by another process at the same moment, or not a folder
		info, statErr := os.Stat(dir)
		if statErr == nil && info.IsDir() {
			return made, nil
		}
		return made, err
	default:
		return made, err
	}
}

// removeFolders takes back what makeFolders made, as far as nobody has put anything in.
func removeFolders(made []string) {
	for i := len(made) - 1; i >= 0; i-- {
		if os.Remove(made[i]) != nil {
			return
		}
	}
}

// files are the three files of an open database. While a connection is open, SQLite replaces none
// of them: if another stands in one's place, or none, somebody else did that.
type files struct {
	place
	infos [3]os.FileInfo
}

func (p place) stat() (files, error) {
	f := files{place: p}
	for i, path := range [3]string{p.path, p.wal(), p.shm()} {
		info, err := os.Stat(path)
		if err != nil {
			return f, err
		}
		f.infos[i] = info
	}
	return f, nil
}

// walState tells two states of the -wal file apart, as finely as the kernel's clock ticks.
type walState struct{ size, modified int64 }

// check compares what stands at the path with what was opened.
func (f files) check() error {
	_, err := f.checkWAL()
	return err
}

// checkWAL does the same, and gives what the -wal file looks like.
func (f files) checkWAL() (walState, error) {
	var wal walState
	for i, path := range [3]string{f.path, f.wal(), f.shm()} {
		info, err := os.Stat(path)
		switch {
		case err != nil:
			return wal, fmt.Errorf("SQLite store %s: %s was %w under way: %w", f.path, path, errReplaced, err)
		case !os.SameFile(info, f.infos[i]):
			return wal, fmt.Errorf("SQLite store %s: %s was %w under way", f.path, path, errReplaced)
		}
		if i == 1 {
			wal = walState{size: info.Size(), modified: info.ModTime().UnixNano()}
		}
	}
	return wal, nil
}
