package running

import (
	"context"
	"os"
	"os/signal"
	"sync"
	"syscall"
)

// Signals catches every signal that a command could want to hear of. It is made by CatchSignals
// and freed by Stop.
type Signals struct {
	c chan os.Signal

	mu    sync.Mutex
	ended syscall.Signal
}

// CatchSignals starts to catch. Left alone are those that nobody can catch, those that the kernel
// or the runtime sends to this process about its own affairs (SIGCHLD, SIGURG, SIGPIPE), and a
// SIGHUP that was ignored from the start, which is what nohup asks for.
func CatchSignals() *Signals {
	s := &Signals{c: make(chan os.Signal, 64)}
	for n := syscall.Signal(1); n <= lastSignal; n++ {
		switch n {
		case syscall.SIGKILL, syscall.SIGSTOP, syscall.SIGCHLD, syscall.SIGURG, syscall.SIGPIPE, syscall.SIGPROF:
			continue
		case syscall.SIGHUP:
			if signal.Ignored(n) {
				continue
			}
		}
		signal.Notify(s.c, n)
	}
	return s
}

// Stop gives the signals back to their defaults.
func (s *Signals) Stop() { signal.Stop(s.c) }

// Context gives a context that the first signal that ends the agent cancels; Ended tells which.
// Other signals are dropped meanwhile, as there is no command to pass them to. The returned
// function ends this, and must be called before anybody else listens.
func (s *Signals) Context(parent context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancel(parent)
	quit := make(chan struct{})
	var loop sync.WaitGroup
	loop.Go(func() {
		for {
			select {
			case <-quit:
				return
			case caught := <-s.c:
				if n := caught.(syscall.Signal); ends(n) {
					s.mu.Lock()
					s.ended = n
					s.mu.Unlock()
					cancel()
					return
				}
			}
		}
	})
	return ctx, sync.OnceFunc(func() {
		close(quit)
		loop.Wait()
		cancel()
	})
}

// Ended tells which signal ended a Context.
func (s *Signals) Ended() (syscall.Signal, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ended, s.ended != 0
}

// ends says whether a signal ends an agent that runs no command.
func ends(n syscall.Signal) bool {
	return stops(n) || n == syscall.SIGHUP || n == syscall.SIGQUIT
}

// stops says whether a signal means to stop the command and the agent.
func stops(n syscall.Signal) bool { return n == syscall.SIGINT || n == syscall.SIGTERM }

// suspend does to this process what Ctrl-Z asks for; it returns once the process goes on.
func suspend() { _ = syscall.Kill(os.Getpid(), syscall.SIGSTOP) }
