package guard

import (
	"bytes"
	"errors"
	"os"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
)

// process is a line of the process table.
type process struct {
	pid, parent, group, session int
	started                     uint64 // tells two processes with one pid apart
	dead                        bool   // a zombie
}

// processes reads the process table. It is no snapshot: what is born or dies meanwhile may be
// missing, or have a parent that is.
func processes() ([]process, error) {
	folder, err := os.Open("/proc")
	if err != nil {
		return nil, err
	}
	defer func() { _ = folder.Close() }()
	names, err := folder.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	var all []process
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		if p, ok := readProcess(pid); ok {
			all = append(all, p)
		}
	}
	return all, nil
}

// readProcess is false if there is no such process.
func readProcess(pid int) (process, bool) {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return process{}, false
	}
	// pid (name) state ppid pgrp session …; the name may hold anything, also ")".
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 20 {
		return process{}, false
	}
	number := func(i int) int {
		n, _ := strconv.Atoi(string(fields[i]))
		return n
	}
	started, _ := strconv.ParseUint(string(fields[19]), 10, 64)
	return process{
		pid: pid, parent: number(1), group: number(2), session: number(3), started: started,
		// A first thread that ended before the others is shown as a zombie too.
		dead: (fields[0][0] == 'Z' || fields[0][0] == 'X') && number(17) <= 1,
	}, true
}

// signal sends a signal to this very process, not to another that got its pid since.
func (p process) signal(sig unix.Signal) {
	fd, err := unix.PidfdOpen(p.pid, 0)
	if err != nil && !errors.Is(err, unix.ENOSYS) && !errors.Is(err, unix.EPERM) {
		return
	}
	if err == nil {
		defer func() { _ = unix.Close(fd) }()
	}
	if now, ok := readProcess(p.pid); !ok || now.started != p.started {
		return
	}
	if err != nil || unix.PidfdSendSignal(fd, sig, nil, 0) != nil {
		_ = unix.Kill(p.pid, sig)
	}
}

// descend gives all below the given roots, without the roots.
func descend(all []process, roots ...int) []process {
	children := map[int][]process{}
	for _, p := range all {
		children[p.parent] = append(children[p.parent], p)
	}
	var found []process
	for len(roots) > 0 {
		below := children[roots[0]]
		delete(children, roots[0])
		roots = roots[1:]
		found = append(found, below...)
		for _, p := range below {
			roots = append(roots, p.pid)
		}
	}
	return found
}

// reap takes the status of a dead child, if there is any.
func reap(pid int) (int, unix.WaitStatus, error) {
	for {
		var status unix.WaitStatus
		got, err := unix.Wait4(pid, &status, unix.WNOHANG, nil)
		if !errors.Is(err, unix.EINTR) {
			return got, status, err
		}
	}
}

// deadChild names a child that is dead and leaves it as it is; 0: none is.
func deadChild() int {
	// What waitid fills in for a child.
	var info struct {
		signo, errno, code int32
		child              struct {
			_   [0]uintptr
			pid int32
		}
		_ [128]byte
	}
	for {
		err := unix.Waitid(unix.P_ALL, 0, (*unix.Siginfo)(unsafe.Pointer(&info)), unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil)
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return 0
		default:
			return int(info.child.pid)
		}
	}
}
