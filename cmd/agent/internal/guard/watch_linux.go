package guard

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// watch is the agent's side of one command: it passes on what is asked, and acts in the guardian's
// stead when that is dead or silent. One goroutine owns it, and writes no log before the command is
// dead: a log may block.
type watch struct {
	*Command
	cfg    Config
	cgroup cgroup
	ladder *ladder // of deadlines that the guardian has acknowledged

	guardian *os.Process
	fate     *os.ProcessState // of the guardian
	exited   chan struct{}    // closed when it is reaped
	control  *os.File
	reports  chan report // closed when it is dead

	sent    int64 // the last deadline sent
	waiting bool  // it isn't acknowledged yet
	stopped bool  // Stop was sent
	killing int64 // since when the command is killed from here; 0: it isn't
	ended   bool  // the guardian said that all are gone
	status  unix.WaitStatus
}

func (w *watch) run() {
	timer := w.cfg.Clock.NewTimer(0)
	defer timer.Stop()
	for open := true; open; {
		w.pass(w.take())
		switch now := boot(w.cfg); w.ladder.step(now) {
		case actTerminate:
			w.signal(unix.SIGTERM)
			w.signal(unix.SIGCONT)
		case actKill:
			w.killing = now
		}
		pause := time.Duration(w.ladder.next() - boot(w.cfg))
		if w.killing != 0 {
			w.kill()
			pause = 20 * time.Millisecond
		}
		timer.Reset(pause)
		select {
		case <-w.wake:
		case <-timer.Chan():
		case r, ok := <-w.reports:
			open = ok
			w.hear(r)
		}
	}
	w.end()
}

// pass sends the guardian what was asked.
func (w *watch) pass(a asked) {
	for _, s := range a.signals {
		_ = w.send(order{Signal: int(s)}) // it fails only with a dead guardian, or thousands unread
	}
	if a.stop && !w.stopped {
		w.stopped = true
		w.ladder.begin(boot(w.cfg))
		_ = w.send(order{Stop: true}) // if it fails the ladder goes on
	}
	// One at a time is under way, so a frozen guardian finds no heap of old ones.
	if a.deadline > w.sent && !w.waiting && w.send(order{Deadline: a.deadline}) == nil {
		w.sent, w.waiting = a.deadline, true
	}
}

// send never blocks: it fails if the pipe is full.
func (w *watch) send(o order) error {
	raw, err := w.control.SyscallConn()
	if err != nil {
		return err
	}
	line := encode(o)
	var failure error
	err = raw.Write(func(fd uintptr) bool {
		_, failure = unix.Write(int(fd), line)
		return true
	})
	if err != nil {
		return err
	}
	return failure
}

func (w *watch) hear(r report) {
	switch {
	case r.Ack != 0:
		w.waiting = false
		w.ladder.extend(r.Ack)
	case r.Stopping:
		w.ladder.begin(boot(w.cfg))
		// A guardian that was slower than this side's SIGTERM knows only that the command ended.
		w.ladder.byDeadline = r.ByDeadline || w.ladder.byDeadline && w.ladder.terminated
		w.ladder.yield(w.ladder.last())
	case r.Killing:
		w.ladder.yield(boot(w.cfg) + patience) // the dead may need their time to go
	case r.Ended:
		w.ended, w.status = true, unix.WaitStatus(r.Status)
	}
}

// signal signals the command's group, unless its number may be another's by now.
func (w *watch) signal(sig unix.Signal) {
	if p, ok := readProcess(w.pid); ok && p.parent == w.guardian.Pid {
		_ = unix.Kill(-w.pid, sig)
	}
}

// kill does what the guardian should have done, and, if that is of no use, does away with the
// guardian: then all that it left comes to this process.
func (w *watch) kill() {
	w.signal(unix.SIGKILL)
	w.cgroup.kill()
	all, err := processes()
	if g, ok := readProcess(w.guardian.Pid); ok && g.parent == os.Getpid() && err == nil {
		for _, p := range descend(all, w.guardian.Pid) {
			if !p.dead {
				p.signal(unix.SIGKILL)
			}
		}
	}
	if boot(w.cfg)-w.killing > patience {
		_ = w.guardian.Kill()
	}
}

// end cleans up after the guardian's death. Only if it died too early is there anything left.
func (w *watch) end() {
	<-w.exited
	_ = w.control.Close()
	known := w.ended
	if !w.ended {
		w.status, known = w.sweep()
	}
	w.cgroup.remove()
	lost := !w.ended
	if lost && w.pid != 0 {
		w.cfg.Logger.Error("guardian died or was silent, and the command was killed", "guardian", w.guardian.Pid, "state", w.fate, "command", w.pid)
	}
	w.exit = Exit{Code: -1, Signal: unix.SIGKILL, ByDeadline: w.ladder.byDeadline, GuardianLost: lost}
	if known {
		w.exit.Code = w.status.ExitStatus()
		w.exit.Signal = 0
		if w.status.Signaled() {
			w.exit.Signal = w.status.Signal()
		}
	}
	close(w.done)
}
