//go:build unix

package sqlstore

import (
	"errors"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// tryFlock reports false if another process has the lock.
func tryFlock(f *os.File) (bool, error) {
	err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) || errors.Is(err, unix.EINTR) {
		return false, nil
	}
	return err == nil, err
}

func accessible(path string) bool { return unix.Access(path, unix.R_OK|unix.W_OK) == nil }

func links(info os.FileInfo) uint64 {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return uint64(st.Nlink)
	}
	return 1
}
