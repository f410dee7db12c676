package sqlstore

import (
	"fmt"
	"hash/fnv"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// presence is how processes that have a store open see each other, whatever became of its files.
//
// Who opens a database takes, before its first use of it and for as long as the driver is open,
// shared locks on the lock file, on the folder that holds the database, and on every folder above
// up to the root. They are locks of open file descriptions (so they end with the process, however
// it ends, and two drivers of one process see each other) on a range of one byte that is chosen by
// the path from that folder to the database (so other databases don't matter). A folder that can't
// be opened or locked is left out.
//
// The creator of a database has proof that nobody living has an older one if, after it took its own
// locks, it sees no other lock on any of the ranges, not even on the root's, which it must have.
//
// Why that is sound. Say that process A used an older database at the path and is alive. It took
// its locks before its first use and has kept them: also through the loss of the file, since the
// driver takes new ones before it lets go of the old. The creator C looks at the range of the root.
// A has a lock there: the root is the same folder for both, it can't be deleted or replaced, and
// the range is the same because the path is (as configured, and without
// symbolic links: either will do). So C sees A. The locks on the folders below and on the
// lock file add nothing within one view of the file system; they find an A that sees the folder by
// another path, or from within a container, as long as they share any folder on the way. (Not
// found: an A in a container whose mount is the very folder that was deleted and made again.)
//
// Two creators, each of a database of its own because somebody deleted the first: each takes its
// locks before it looks at the other's, so at least one sees the other and has no proof. It can't
// happen that both have one and both live.
//
// Two newcomers on an empty folder: opening is serialised by openLock, and the second takes its
// presence only after it got that lock. So the first one sees nobody, and has its proof, and the
// second finds a database. Should somebody have deleted the lock file in between, the first one may
// see the second and then has no proof: that only costs a wait.
//
// A driver that has lost its file and creates it again never claims a proof: this process itself
// may hold something from before. The mark is set in the transaction that creates the database, is
// bound to the identity of the file, so that a copy doesn't carry it along, and is taken off by the
// one that consumes it. It may be consumed late, after the creator's death: it speaks of the moment
// of the creation.
type presence struct {
	files []*os.File
	bytes []int64 // the start of each one's range
	root  bool    // the root folder is among them
}

// takePresence never fails: what can't be locked is missing from it.
func takePresence(p place) *presence {
	pr := &presence{}
	if f, err := os.Open(p.lock()); err == nil {
		pr.add(f, 0)
	}
	for dir := p.dir(); dir != "/"; dir = filepath.Dir(dir) {
		pr.addFolder(dir, p.real)
	}
	// The path as configured, too: a symbolic link on it may lead elsewhere one day.
	pr.root = pr.addFolder("/", p.real) && (p.path == p.real || pr.addFolder("/", p.path))
	return pr
}

func (pr *presence) addFolder(dir, path string) bool {
	f, err := os.Open(dir)
	if err != nil {
		return false
	}
	rel, _ := filepath.Rel(dir, path)
	hash := fnv.New64a()
	_, _ = io.WriteString(hash, rel)
	return pr.add(f, int64(hash.Sum64()>>2)) // a range must end below 1<<63
}

func (pr *presence) add(f *os.File, start int64) bool {
	lock := unix.Flock_t{Type: unix.F_RDLCK, Start: start, Len: 1}
	if unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLK, &lock) != nil {
		_ = f.Close()
		return false
	}
	pr.files, pr.bytes = append(pr.files, f), append(pr.bytes, start)
	return true
}

// alone says that surely nobody else is present.
func (pr *presence) alone() bool {
	for i, f := range pr.files {
		lock := unix.Flock_t{Type: unix.F_WRLCK, Start: pr.bytes[i], Len: 1}
		if err := unix.FcntlFlock(f.Fd(), unix.F_OFD_GETLK, &lock); err != nil || lock.Type != unix.F_UNLCK {
			return false
		}
	}
	return pr.root
}

// close takes the locks off first: a child that this process is just starting has the files, too,
// until it runs its own program, and with them the locks.
func (pr *presence) close() {
	for i, f := range pr.files {
		lock := unix.Flock_t{Type: unix.F_UNLCK, Start: pr.bytes[i], Len: 1}
		_ = unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLK, &lock) // what can't be unlocked ends with the file
		_ = f.Close()
	}
	pr.files = nil
}

// identity names a file that exists, on this machine, even after its inode number was used again;
// "" if there is none.
func identity(path string) string {
	var st unix.Statx_t
	err := unix.Statx(unix.AT_FDCWD, path, 0, unix.STATX_INO|unix.STATX_BTIME, &st)
	if err != nil {
		return ""
	}
	return fmt.Sprintf("%d:%d:%d:%d.%09d", st.Dev_major, st.Dev_minor, st.Ino, st.Btime.Sec, st.Btime.Nsec)
}
