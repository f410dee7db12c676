package guard

import (
	"os"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// family is what this process knows of its children, which are a fact of the whole process. The
// lock is held while a guardian is born and while orphans are looked for, so that a guardian is
// never taken for an orphan.
var family struct {
	sync.Mutex
	guardians map[int]bool
	earlier   map[int]uint64 // children from before the first Start, and when they were started
}

// adopt makes this process the parent of whatever a dead guardian leaves; with the lock held.
func adopt() error {
	if family.guardians != nil {
		return nil
	}
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return os.NewSyscallError("prctl", err)
	}
	all, err := processes()
	if err != nil {
		return err
	}
	family.guardians, family.earlier = map[int]bool{}, map[int]uint64{}
	for _, p := range all {
		if p.parent == os.Getpid() {
			family.earlier[p.pid] = p.started
		}
	}
	return nil
}

// orphans lists what dead guardians left to this process, with all below; with the lock held.
func orphans() ([]process, error) {
	all, err := processes()
	if err != nil {
		return nil, err
	}
	self := os.Getpid()
	session, err := unix.Getsid(0)
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(p process) bool {
		return p.parent == self && (p.session == session || family.guardians[p.pid] || family.earlier[p.pid] == p.started)
	})
	return descend(all, self), nil
}

// sweep kills all that dead guardians left, until nothing is. It returns the wait status of the
// command itself if it came upon it.
func (w *watch) sweep() (status unix.WaitStatus, known bool) {
	begun, told := w.cfg.Clock.Now(), false
	for clean := 0; clean < 2; { // twice: the process table isn't read at one moment
		living := w.sweepOnce(func(s unix.WaitStatus) { status, known = s, true })
		if living == nil {
			clean++
			continue
		}
		clean = 0
		pause := 5 * time.Millisecond
		if w.cfg.Clock.Now().Sub(begun) > time.Second {
			pause = 100 * time.Millisecond
			if !told {
				w.cfg.Logger.Warn("processes of the command live on after SIGKILL; waiting for them", "pids", living)
			}
			told = true
		}
		<-w.cfg.Clock.After(pause)
	}
	return status, known
}

// sweepOnce kills and reaps once, and gives the pids of those that lived.
func (w *watch) sweepOnce(own func(unix.WaitStatus)) (living []int) {
	family.Lock()
	defer family.Unlock()
	w.cgroup.kill()
	if p, ok := readProcess(w.pid); ok && p.parent == os.Getpid() {
		_ = unix.Kill(-w.pid, unix.SIGKILL)
	}
	left, err := orphans()
	if err != nil {
		return []int{0}
	}
	for _, p := range left {
		if !p.dead {
			living = append(living, p.pid)
			p.signal(unix.SIGKILL)
		} else if p.parent == os.Getpid() {
			if pid, status, err := reap(p.pid); err == nil && pid == w.pid {
				own(status)
			}
		}
	}
	return living
}
