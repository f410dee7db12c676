package guard

import (
	"errors"
	"fmt"
	"math"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Main is the guardian. The agent's main calls it, before anything else, if its first argument is
// Arg. It never returns.
func Main() {
	// The command gets SIGKILL when the thread that started it ends: this one does with the process.
	runtime.LockOSThread()
	_ = os.WriteFile("/proc/self/comm", []byte("muster-guardian"), 0) // else ps and top say "exe"
	// Nobody reads these: a caught signal is one that doesn't end the guardian, and, other than an
	// ignored one, has its default again in the command.
	signal.Notify(make(chan os.Signal, 1))
	g := &guardian{orders: lines{fd: controlFD}, agent: true, asked: map[int]uint64{}}
	g.report(report{Ready: true})
	var s setup
	if err := g.orders.next(&s); err != nil {
		fmt.Fprintln(os.Stderr, "agent: "+Arg+" is for the agent itself: use agent run")
		os.Exit(64)
	}
	if rep := g.start(s); rep.Pid == 0 {
		g.report(rep)
		os.Exit(1)
	}
	g.loop()
	g.cgroup.remove()
	os.Exit(0)
}

// guardian is one loop around poll: it looks at everything, does what is due, and waits.
type guardian struct {
	ladder *ladder
	cgroup cgroup
	pid    int
	orders lines

	agent   bool // it lives
	ended   bool // the command itself is dead
	reaped  bool // and its pid may be another's
	status  unix.WaitStatus
	stopped bool           // the stop was reported
	group   bool           // the group got SIGTERM
	asked   map[int]uint64 // who got SIGTERM by itself, and when it was started
	killing int64          // since when; 0: not

	timer    int
	children int // an eventfd, readable when a child died
}

func (g *guardian) start(s setup) report {
	failed := func(doing string, err error) report {
		var errno unix.Errno
		errors.As(err, &errno)
		return report{Doing: doing, Errno: max(int(errno), 1)}
	}
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return failed("prctl", err)
	}
	var err error
	if g.timer, err = unix.TimerfdCreate(unix.CLOCK_BOOTTIME, unix.TFD_CLOEXEC|unix.TFD_NONBLOCK); err != nil {
		return failed("timerfd_create", err)
	}
	if g.children, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		return failed("eventfd", err)
	}
	if err := closeOnExec(); err != nil {
		return failed("close_range", err)
	}
	if err := unix.SetNonblock(controlFD, true); err != nil {
		return failed("fcntl", err)
	}
	deaths := make(chan os.Signal, 1)
	signal.Notify(deaths, unix.SIGCHLD)
	go func() {
		for range deaths {
			_, _ = unix.Write(g.children, []byte{1, 0, 0, 0, 0, 0, 0, 0})
		}
	}()

	g.ladder = newLadder(s.Grace, s.Deadline)
	if bootNow() >= g.ladder.turn() {
		return report{Late: true}
	}
	attr := &syscall.ProcAttr{
		Dir: string(s.Dir), Env: toStrings(s.Env), Files: []uintptr{stdinFD, stdoutFD, stderrFD},
		Sys: &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL},
	}
	run := func() error {
		var err error
		g.pid, err = syscall.ForkExec(string(s.Path), toStrings(s.Argv), attr)
		return err
	}
	err = g.runInCgroup(string(s.Cgroup), attr.Sys, run)
	for _, fd := range []int{stdinFD, stdoutFD, stderrFD} {
		_ = unix.Close(fd) // so that the command's end is the end of its output
	}
	if err != nil {
		g.cgroup.remove()
		return failed("exec", err)
	}
	rep := report{Pid: g.pid}
	g.report(rep)
	return rep
}

// closeOnExec keeps from the command what the agent got from its own parent.
func closeOnExec() error {
	err := unix.CloseRange(3, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC)
	if err == nil {
		return nil
	}
	var limit unix.Rlimit // a kernel before 5.11
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return err
	}
	for fd := 3; uint64(fd) < min(limit.Cur, 1<<16); fd++ {
		unix.CloseOnExec(fd)
	}
	return nil
}

func (g *guardian) report(r report) { _, _ = unix.Write(statusFD, encode(r)) }

func bootNow() int64 {
	var ts unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts) // can't fail
	return ts.Nano()
}

func (g *guardian) loop() {
	for {
		g.readOrders() // first: an extension that has come counts, however late this process is
		g.reapOthers()
		if g.act(bootNow()) {
			g.report(report{Ended: true, Status: uint32(g.status)})
			return
		}
		g.wait()
	}
}

func (g *guardian) readOrders() {
	for g.agent {
		var o order
		err := g.orders.next(&o)
		switch {
		case errors.Is(err, unix.EAGAIN):
			return
		case err != nil:
			g.agent = false
			g.ladder.begin(bootNow())
		case o.Deadline != 0:
			g.ladder.extend(o.Deadline)
			g.report(report{Ack: o.Deadline})
		case o.Signal != 0 && !g.reaped:
			_ = unix.Kill(-g.pid, unix.Signal(o.Signal))
		case o.Stop:
			g.ladder.begin(bootNow())
		}
	}
}

// reapOthers takes the dead that the command left to us, and notices its own end. The command
// itself stays a zombie until the end, so that its group's number isn't given to others.
func (g *guardian) reapOthers() {
	for !g.ended {
		switch pid := deadChild(); pid {
		case 0:
			return
		case g.pid:
			g.ended = true
			g.ladder.begin(bootNow())
		default:
			_, _, _ = reap(pid)
		}
	}
}

// act does what is due, and says whether all are gone.
func (g *guardian) act(now int64) bool {
	switch g.ladder.step(now) {
	case actTerminate:
		if !g.reaped {
			_ = unix.Kill(-g.pid, unix.SIGTERM)
			_ = unix.Kill(-g.pid, unix.SIGCONT)
		}
		g.group = true
	case actKill:
		g.killing = now
	}
	if g.ladder.begun != 0 && !g.stopped {
		g.stopped = true
		g.report(report{Stopping: true, ByDeadline: g.ladder.byDeadline})
	}
	if g.killing != 0 {
		if !g.reaped {
			_ = unix.Kill(-g.pid, unix.SIGKILL)
		}
		g.cgroup.kill()
	}
	if !g.ended && g.killing == 0 {
		return false
	}
	left, err := g.left()
	for _, p := range left {
		switch {
		case g.killing != 0:
			p.signal(unix.SIGKILL)
		case p.group == g.pid && g.group || g.asked[p.pid] == p.started:
		default:
			g.asked[p.pid] = p.started
			p.signal(unix.SIGTERM)
			p.signal(unix.SIGCONT)
		}
	}
	if g.killing == now {
		g.report(report{Killing: true})
	}
	return len(left) == 0 && err == nil && g.ended && g.gone()
}

// left lists the living descendants, and reaps the dead children.
func (g *guardian) left() ([]process, error) {
	all, err := processes()
	var left []process
	for _, p := range descend(all, os.Getpid()) {
		switch {
		case !p.dead:
			left = append(left, p)
		case p.pid != g.pid && p.parent == os.Getpid():
			_, _, _ = reap(p.pid)
		}
	}
	return left, err
}

// gone reaps the command and asks the kernel whether there is any child: whatever descends
// from the command has an ancestor, or is itself, among our children.
func (g *guardian) gone() bool {
	if !g.reaped {
		if pid, status, _ := reap(g.pid); pid == g.pid {
			g.reaped, g.status = true, status
		}
	}
	for {
		pid, _, err := reap(-1)
		if errors.Is(err, unix.ECHILD) {
			return true
		}
		if pid <= 0 {
			return false
		}
	}
}

func (g *guardian) wait() {
	next := unix.NsecToTimespec(g.ladder.next())
	_ = unix.TimerfdSettime(g.timer, unix.TFD_TIMER_ABSTIME, &unix.ItimerSpec{Value: next}, nil)
	fds := []unix.PollFd{{Fd: int32(g.timer), Events: unix.POLLIN}, {Fd: int32(g.children), Events: unix.POLLIN}}
	if g.agent {
		fds = append(fds, unix.PollFd{Fd: controlFD, Events: unix.POLLIN})
	}
	timeout := -1
	switch {
	case g.killing != 0 && bootNow()-g.killing > int64(time.Second):
		timeout = 100
	case g.killing != 0:
		timeout = 5
	case g.reaped:
		timeout = 20
	}
	_, _ = unix.Poll(fds, timeout)
	var count [8]byte
	_, _ = unix.Read(g.timer, count[:])
	_, _ = unix.Read(g.children, count[:])
}
