package servertest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// patience bounds every wait: far beyond what anything takes, so that a busy machine fails no test.
const patience = 60 * time.Second

// Server is a server process. Its methods are for one goroutine at a time; those that fail fail the
// test that it was given to.
type Server struct {
	// Dir is its folder, whose files go when it is wiped.
	Dir string

	t     testing.TB
	kind  *Kind
	addrs []string
	log   string // the file of its output
	run   *run   // nil: stopped
}

// run is one process of a server, from its start to its end.
type run struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended
}

// Start starts a server of the test's own, which ends with it.
func Start(t testing.TB, k *Kind) *Server {
	t.Helper()
	Need(t, k)
	s, err := newServer(k)
	if err != nil {
		t.Fatalf("servertest: %v", err)
	}
	s.t = t
	t.Cleanup(s.remove)
	s.Start()
	return s
}

func newServer(k *Kind) (*Server, error) {
	addrs, err := FreePorts(k.Ports)
	if err != nil {
		return nil, err
	}
	root, err := os.MkdirTemp("", "muster-test-server-")
	if err != nil {
		return nil, err
	}
	s := &Server{kind: k, addrs: addrs, Dir: filepath.Join(root, "data"), log: filepath.Join(root, "log")}
	if err := os.Chmod(root, 0o755); err != nil {
		return nil, errors.Join(err, os.RemoveAll(root))
	}
	return s, nil
}

// Addr is where the server serves clients, as host:port. It never changes.
func (s *Server) Addr() string { return s.addrs[0] }

// Addrs are all its addresses, in the order of its ports.
func (s *Server) Addrs() []string { return s.addrs }

// Port is the port of Addrs()[i].
func (s *Server) Port(i int) int {
	_, port, _ := net.SplitHostPort(s.addrs[i])
	n, _ := strconv.Atoi(port)
	return n
}

// Start starts a stopped server with the data that it had, and waits until it serves clients.
func (s *Server) Start() {
	s.t.Helper()
	if err := s.start(); err != nil {
		s.t.Fatalf("servertest: %v", err)
	}
}

// Stop kills the server, as a crash does: what it said was committed is kept. Stopping twice is
// harmless.
func (s *Server) Stop() {
	if s.run == nil {
		return
	}
	// Stopped first, so that it starts nothing that the list of its processes lacks; and waited for, all
	// of them, because what is left of one may keep the next start from its data.
	_ = syscall.Kill(s.run.cmd.Process.Pid, syscall.SIGSTOP)
	all := descendants(s.run.cmd.Process.Pid)
	for _, pid := range all {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	<-s.run.done
	for late := time.Now().Add(patience); slices.ContainsFunc(all, lives) && time.Now().Before(late); {
		time.Sleep(time.Millisecond)
	}
	s.run = nil
}

// Freeze stops the server's processes where they are: connections stay, and nothing is answered. It
// returns when all have stopped, which may take its time where the cores are busy.
func (s *Server) Freeze() {
	s.t.Helper()
	s.signal(syscall.SIGSTOP)
	if s.run == nil {
		return
	}
	for late := time.Now().Add(patience); !stopped(descendants(s.run.cmd.Process.Pid)); time.Sleep(time.Millisecond) {
		if time.Now().After(late) {
			s.t.Fatalf("servertest: %s did not stop within %v", s.kind.Name, patience)
		}
		s.signal(syscall.SIGSTOP) // what one of them started in its last moment
	}
}

// Thaw lets them go on.
func (s *Server) Thaw() { s.signal(syscall.SIGCONT) }

// Wipe stops the server and starts it without any data, as if its disk had been lost.
func (s *Server) Wipe() {
	s.t.Helper()
	s.Stop()
	if err := os.RemoveAll(s.Dir); err != nil {
		s.t.Fatalf("servertest: %v", err)
	}
	s.Start()
}

// signal reaches all of the server's processes: those that left its group too.
func (s *Server) signal(sig syscall.Signal) {
	if s.run == nil {
		return
	}
	for _, pid := range descendants(s.run.cmd.Process.Pid) {
		_ = syscall.Kill(pid, sig)
	}
}

func (s *Server) remove() {
	s.Stop()
	if s.t.Failed() {
		log, _ := os.ReadFile(s.log)
		s.t.Logf("the end of what %s said:\n%s", s.kind.Name, log[max(0, len(log)-4000):])
	}
	_ = os.RemoveAll(s.root())
}

// root is the folder that holds the server's data and its log.
func (s *Server) root() string { return filepath.Dir(s.Dir) }

func (s *Server) start() error {
	if s.run != nil {
		return nil
	}
	if _, err := os.Stat(s.Dir); errors.Is(err, os.ErrNotExist) {
		if err := s.prepare(); err != nil {
			return fmt.Errorf("preparing %s in %s: %w", s.kind.Name, s.Dir, err)
		}
	}
	cmd, err := s.kind.Command(s)
	if err != nil {
		return err
	}
	if s.run, err = s.launch(cmd); err != nil {
		return fmt.Errorf("starting %s: %w", s.kind.Name, err)
	}
	return s.await(s.kind.Ready)
}

// await waits until the server is ready, in one sense or another.
func (s *Server) await(ready func(context.Context, *Server) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		// A server may take a question that comes too early and never answer it.
		try, done := context.WithTimeout(ctx, 5*time.Second)
		err := ready(try, s)
		done()
		if err == nil {
			return nil
		}
		select {
		case <-s.run.done:
			log, _ := os.ReadFile(s.log)
			s.run = nil
			return fmt.Errorf("%s ended at its start; it said:\n%s", s.kind.Name, log)
		case <-ctx.Done():
			return fmt.Errorf("%s did not answer at %s within %v: %w", s.kind.Name, s.Addr(), patience, err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (s *Server) prepare() error {
	if err := os.Mkdir(s.Dir, 0o700); err != nil {
		return err
	}
	if c := s.credential(); c != nil {
		if err := os.Chown(s.Dir, int(c.Uid), int(c.Gid)); err != nil {
			return err
		}
	}
	if s.kind.Prepare == nil {
		return nil
	}
	return s.kind.Prepare(s)
}

// Run runs a command to its end as the server's user, for Prepare.
func (s *Server) Run(cmd *exec.Cmd) error {
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: s.credential()}
	cmd.Dir = s.Dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w; it said:\n%s", cmd, err, out)
	}
	return nil
}

// launch starts the server's process from a thread that lives as long as it does: the signal at the
// death of the parent is one at the death of the thread that started the child.
func (s *Server) launch(cmd *exec.Cmd) (*run, error) {
	out, err := os.OpenFile(s.log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return nil, err
	}
	defer func() { _ = out.Close() }()
	cmd.Stdout, cmd.Stderr, cmd.Dir = out, out, s.Dir
	cmd.SysProcAttr = dieWithParent(&syscall.SysProcAttr{Credential: s.credential(), Setpgid: true})
	r := &run{cmd: cmd, done: make(chan struct{})}
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer close(r.done)
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait()
		}
	}()
	return r, <-started
}

// credential is the user of the kind, when that isn't who runs the tests.
func (s *Server) credential() *syscall.Credential {
	if s.kind.User == "" || os.Getuid() != 0 {
		return nil
	}
	u, err := user.Lookup(s.kind.User)
	if err != nil {
		return nil // Missing has said so
	}
	uid, _ := strconv.ParseUint(u.Uid, 10, 32)
	gid, _ := strconv.ParseUint(u.Gid, 10, 32)
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
}
