package guard

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/muster-go/muster/internal/bootclock"
)

// Protection says whether commands are stopped in time also while this agent is frozen, and what a
// user should know of it.
func Protection() (full bool, text string) {
	return true, "the command is dead before leadership can end, also if this agent is frozen or killed"
}

func start(cfg Config, path string, deadline int64) (*Command, error) {
	w := &watch{Command: newCommand(), cfg: cfg, ladder: newLadder(int64(cfg.Grace), deadline).second(), sent: deadline}
	if !cfg.NoCgroup {
		var err error
		if w.cgroup, err = newCgroup(); err != nil {
			cfg.Logger.Debug("no cgroup of its own for the command; its processes are found by their descent", "reason", err)
		}
	}
	if err := w.spawn(); err != nil {
		w.cgroup.remove()
		return nil, fmt.Errorf("command %q was not started: its guardian: %w", cfg.Argv[0], err)
	}
	if err := w.launch(path); err != nil {
		_ = w.guardian.Kill()
		for range w.reports { // to the end, which is the guardian's
		}
		w.end()
		return nil, err
	}
	go w.run()
	return w.Command, nil
}

// spawn starts the guardian.
func (w *watch) spawn() (err error) {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer func() { _ = null.Close() }()
	orders, control, err := os.Pipe()
	if err != nil {
		return err
	}
	defer func() { _ = orders.Close() }()
	status, reports, err := os.Pipe()
	if err != nil {
		_ = control.Close()
		return err
	}
	defer func() { _ = reports.Close() }()
	files := []*os.File{null, null, null, orders, reports, w.cfg.Stdin, w.cfg.Stdout, w.cfg.Stderr}
	for i := range files {
		if files[i] == nil {
			files[i] = null
		}
	}
	attr := &os.ProcAttr{Files: files, Sys: &syscall.SysProcAttr{
		Setsid: true,
		// A frozen guardian goes on when the agent dies.
		Pdeathsig: syscall.SIGCONT,
	}}
	argv := append([]string{os.Args[0]}, w.cfg.Executable[1:]...)
	born := make(chan error)
	w.exited = make(chan struct{})
	go func() {
		// Parent death means the death of the thread that forked: this one waits for the child.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer close(w.exited)
		err := w.fork(argv, attr)
		born <- err
		if err != nil {
			return
		}
		w.fate, _ = w.guardian.Wait() // can't fail: nobody else waits for this child
		family.Lock()
		delete(family.guardians, w.guardian.Pid)
		family.Unlock()
	}()
	if err := <-born; err != nil {
		<-w.exited
		_ = control.Close()
		_ = status.Close()
		return err
	}
	w.control, w.reports = control, make(chan report)
	go func() {
		defer close(w.reports)
		defer func() { _ = status.Close() }()
		for dec := json.NewDecoder(status); ; {
			var r report
			if dec.Decode(&r) != nil {
				return
			}
			w.reports <- r
		}
	}()
	return nil
}

func (w *watch) fork(argv []string, attr *os.ProcAttr) (err error) {
	family.Lock()
	defer family.Unlock()
	if err := adopt(); err != nil {
		return err
	}
	if w.guardian, err = os.StartProcess(w.cfg.Executable[0], argv, attr); err != nil {
		return err
	}
	family.guardians[w.guardian.Pid] = true
	return nil
}

// patienceForReady is what the guardian is given to come up, if the deadline moves on meanwhile.
const patienceForReady = 10 * time.Second

// ready waits until the guardian is up.
func (w *watch) ready() error {
	began := boot(w.cfg)
	for {
		timer := w.cfg.Clock.NewTimer(time.Duration(w.ladder.deadline - w.ladder.margin - boot(w.cfg)))
		select {
		case <-timer.Chan():
			if before := w.ladder.deadline; w.renewed() == before || boot(w.cfg)-began > int64(patienceForReady) {
				return fmt.Errorf("command %q was not started: its guardian didn't answer: %w", w.cfg.Argv[0], ErrDeadline)
			}
		case _, ok := <-w.reports:
			timer.Stop()
			if !ok {
				return fmt.Errorf("command %q was not started: its guardian died", w.cfg.Argv[0])
			}
			if left := w.renewed() - boot(w.cfg); left <= int64(w.cfg.Grace) {
				return tooLate(w.cfg, left)
			}
			return nil
		}
	}
}

// renewed brings the first deadline up to date.
func (w *watch) renewed() int64 {
	if w.cfg.Renewed != nil {
		w.ladder.extend(bootclock.FromBoot(w.cfg.Renewed()))
		w.sent = w.ladder.deadline
	}
	return w.ladder.deadline
}

// launch has the guardian start the command.
func (w *watch) launch(path string) error {
	if err := w.ready(); err != nil {
		return err
	}
	var sending sync.WaitGroup
	sending.Go(func() {
		// The environment may be longer than the pipe. If this fails the guardian is dead.
		_, _ = w.control.Write(encode(setup{
			Path: []byte(path), Dir: []byte(w.cfg.Dir), Cgroup: []byte(w.cgroup),
			Argv: toBytes(w.cfg.Argv), Env: toBytes(w.cfg.Env),
			Grace: w.ladder.grace, Deadline: w.ladder.deadline,
		}))
	})
	timer := w.cfg.Clock.NewTimer(time.Duration(w.ladder.deadline - w.ladder.margin - boot(w.cfg)))
	defer timer.Stop()
	select {
	case <-timer.Chan():
		return fmt.Errorf("command %q was not started: its guardian didn't answer: %w", w.cfg.Argv[0], ErrDeadline)
	case r, ok := <-w.reports:
		switch {
		case !ok:
			return fmt.Errorf("command %q was not started: its guardian died", w.cfg.Argv[0])
		case r.Late:
			return tooLate(w.cfg, w.ladder.deadline-boot(w.cfg))
		case r.Pid == 0:
			return w.explain(path, r)
		}
		w.pid = r.Pid
		sending.Wait()
		return nil
	}
}

// explain turns a failed start into an error.
func (w *watch) explain(path string, r report) error {
	name, errno := w.cfg.Argv[0], unix.Errno(r.Errno)
	switch {
	case r.Doing != "exec":
		return fmt.Errorf("command %q was not started: the guardian's %s: %w", name, r.Doing, errno)
	case errno == unix.ENOENT:
		return &commandError{fmt.Sprintf("command %q: %s names an interpreter that isn't there; see its first line", name, path), exec.ErrNotFound}
	case errors.Is(errno, fs.ErrPermission):
		return &commandError{fmt.Sprintf("command %q: %s can't be executed: %v", name, path, errno), fs.ErrPermission}
	case errno == unix.ENOEXEC:
		return fmt.Errorf("command %q: %s is no program for this machine; a script needs a first line such as #!/bin/sh: %w", name, path, errno)
	}
	return fmt.Errorf("command %q: %s: %w", name, path, errno)
}
