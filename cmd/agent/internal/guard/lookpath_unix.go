//go:build unix

package guard

import (
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// executable returns nil if the file can be executed, an error that is fs.ErrPermission if it is
// there and can't be.
func executable(path string) error {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return err
	case !info.Mode().IsRegular():
		return &fs.PathError{Op: "exec", Path: path, Err: unix.EACCES}
	}
	return unix.Access(path, unix.X_OK)
}
