package sqlstore

import "golang.org/x/sys/unix"

// fileSystem gives the magic number of the file system that holds path.
func fileSystem(path string) (uint32, error) {
	var st unix.Statfs_t
	for {
		err := unix.Statfs(path, &st)
		if err != unix.EINTR {
			return uint32(st.Type), err
		}
	}
}
