package guard

import (
	"bufio"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// cgroup is the folder of a control group (version 2) made for one command; empty: there is none.
// It adds to the walk through the process table that the whole group is killed in one step, however
// fast it forks, and whatever user its members became.
type cgroup string

// prefix begins the folder's name; the agent's pid follows.
const prefix = "muster-"

// newCgroup makes one below the agent's own, if the agent may.
func newCgroup() (cgroup, error) {
	mount, root, err := cgroupMount()
	if err != nil {
		return "", err
	}
	own, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(own)) {
		path, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "0::")
		if !ok {
			continue
		}
		below, err := filepath.Rel(root, path)
		if err != nil || below == ".." || strings.HasPrefix(below, "../") {
			return "", fmt.Errorf("cgroup %s isn't below the mounted %s", path, root)
		}
		parent := filepath.Join(mount, below)
		removeStale(parent)
		c := cgroup(filepath.Join(parent, fmt.Sprintf("%s%d-%s", prefix, os.Getpid(), rand.Text())))
		if err := os.Mkdir(string(c), 0o755); err != nil {
			return "", err
		}
		if _, err := os.Stat(filepath.Join(string(c), "cgroup.kill")); err != nil {
			c.remove()
			return "", err // a kernel before 5.14
		}
		return c, nil
	}
	return "", errors.New("no cgroup of version 2")
}

// removeStale removes what is left when an agent and its guardian were killed together. A folder
// with living processes can't be removed.
func removeStale(parent string) {
	folders, _ := filepath.Glob(filepath.Join(parent, prefix+"*"))
	for _, folder := range folders {
		var pid int
		if _, err := fmt.Sscanf(filepath.Base(folder), prefix+"%d-", &pid); err == nil && errors.Is(unix.Kill(pid, 0), unix.ESRCH) {
			_ = unix.Rmdir(folder)
		}
	}
}

// cgroupMount finds where the hierarchy is mounted, and which part of it.
func cgroupMount() (mount, root string, err error) {
	file, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return "", "", err
	}
	defer func() { _ = file.Close() }()
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		// id parent major:minor root mount options… - type source options
		before, after, ok := strings.Cut(lines.Text(), " - ")
		fields := strings.Fields(before)
		if ok && strings.HasPrefix(after, "cgroup2 ") && len(fields) >= 5 && !strings.Contains(before, `\`) {
			return fields[4], fields[3], nil
		}
	}
	return "", "", errors.Join(lines.Err(), errors.New("no hierarchy of version 2 is mounted"))
}

// kill sends SIGKILL to all in the group and in the groups below.
func (c cgroup) kill() {
	if c != "" {
		_ = os.WriteFile(filepath.Join(string(c), "cgroup.kill"), []byte("1"), 0)
	}
}

// remove removes the empty group, with those that the command made below it.
func (c cgroup) remove() {
	if c == "" {
		return
	}
	for range 20 {
		var folders []string
		_ = filepath.WalkDir(string(c), func(path string, entry fs.DirEntry, err error) error {
			if err == nil && entry.IsDir() {
				folders = append(folders, path)
			}
			return nil
		})
		var last error
		for _, folder := range slices.Backward(folders) {
			last = unix.Rmdir(folder)
		}
		if last == nil || errors.Is(last, unix.ENOENT) {
			return
		}
		_, _ = unix.Poll(nil, 5) // the dead may still be leaving
	}
}

// runInCgroup runs a fork so that the child is born in the group, or as it is if that fails.
func (g *guardian) runInCgroup(path string, attr *syscall.SysProcAttr, fork func() error) error {
	if path != "" {
		if fd, err := unix.Open(path, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0); err == nil {
			attr.UseCgroupFD, attr.CgroupFD = true, fd
			err = fork()
			_ = unix.Close(fd)
			if err == nil {
				g.cgroup = cgroup(path)
				return nil
			}
			attr.UseCgroupFD = false
		}
		cgroup(path).remove()
	}
	return fork()
}
