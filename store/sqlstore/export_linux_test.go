package sqlstore

import (
	"os"

	"golang.org/x/sys/unix"

	"github.com/muster-go/muster/store"
)

// Forked gives the files by which a driver is present, as a child has them that is just being started.
func Forked(d store.Driver) ([]*os.File, error) {
	var files []*os.File
	for _, f := range d.(*driver).present.files {
		fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			return files, err
		}
		files = append(files, os.NewFile(uintptr(fd), f.Name()))
	}
	return files, nil
}
