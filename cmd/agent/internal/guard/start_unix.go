//go:build unix && !linux

package guard

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Protection says whether commands are stopped in time also while this agent is frozen, and what a
// user should know of it.
func Protection() (full bool, text string) {
	return false, "on this system a command isn't stopped in time if this agent is frozen or killed, nor are processes that leave its process group; on Linux they are"
}

// Main is not used on this system: there is no guardian.
func Main() {
	os.Exit(64)
}

func start(cfg Config, path string, deadline int64) (*Command, error) {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer func() { _ = null.Close() }()
	files := []*os.File{cfg.Stdin, cfg.Stdout, cfg.Stderr}
	for i := range files {
		if files[i] == nil {
			files[i] = null
		}
	}
	process, err := os.StartProcess(path, cfg.Argv, &os.ProcAttr{
		Dir: cfg.Dir, Env: cfg.Env, Files: files, Sys: &syscall.SysProcAttr{Setpgid: true},
	})
	if errors.Is(err, fs.ErrPermission) {
		return nil, &commandError{"command " + cfg.Argv[0] + ": " + err.Error(), fs.ErrPermission}
	} else if err != nil {
		return nil, err
	}
	w := &watch{Command: newCommand(), cfg: cfg, ladder: newLadder(int64(cfg.Grace), deadline), exited: make(chan *os.ProcessState, 1)}
	w.pid = process.Pid
	go func() {
		state, _ := process.Wait() // nil on an error
		w.exited <- state
	}()
	go w.run()
	return w.Command, nil
}

// watch stops the command in time. One goroutine owns it.
type watch struct {
	*Command
	cfg    Config
	ladder *ladder
	exited chan *os.ProcessState
}

// poll is how often a group that has lost its leader is looked at.
const poll = 20 * time.Millisecond

func (w *watch) run() {
	timer := w.cfg.Clock.NewTimer(0)
	defer timer.Stop()
	for ended := false; !ended || w.alive(); {
		a := w.take()
		w.ladder.extend(a.deadline)
		for _, s := range a.signals {
			_ = unix.Kill(-w.pid, s)
		}
		now := boot(w.cfg)
		if a.stop || ended {
			w.ladder.begin(now)
		}
		switch w.ladder.step(now) {
		case actTerminate:
			_ = unix.Kill(-w.pid, unix.SIGTERM)
			_ = unix.Kill(-w.pid, unix.SIGCONT)
		case actKill:
			_ = unix.Kill(-w.pid, unix.SIGKILL)
		}
		if ended {
			timer.Reset(poll)
		} else if next := w.ladder.next(); next != 0 {
			timer.Reset(time.Duration(next - now))
		}
		select {
		case <-w.wake:
		case <-timer.Chan():
		case state := <-w.exited:
			ended = true
			w.exit = exitOf(state)
		}
	}
	w.exit.ByDeadline = w.ladder.byDeadline
	close(w.done)
}

func (w *watch) alive() bool { return unix.Kill(-w.pid, 0) == nil }

func exitOf(state *os.ProcessState) Exit {
	if state == nil {
		return Exit{Code: -1, Signal: unix.SIGKILL}
	}
	exit := Exit{Code: state.ExitCode()}
	if status, ok := state.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		exit.Signal = status.Signal()
	}
	return exit
}
