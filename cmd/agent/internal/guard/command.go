package guard

import (
	"fmt"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/muster-go/muster/internal/bootclock"
)

// Command is a running command. Its methods may be called from several goroutines, and none but a
// receive from Done blocks.
type Command struct {
	pid  int
	done chan struct{}
	exit Exit // written before done is closed

	wake chan struct{} // holds one: there is something new in asked

	mu    sync.Mutex
	asked asked
}

// asked is what callers want and the command's goroutine has yet to see.
type asked struct {
	deadline int64
	stop     bool
	signals  []syscall.Signal
}

// maxSignals bounds the signals that wait to be forwarded.
const maxSignals = 64

func newCommand() *Command {
	return &Command{done: make(chan struct{}), wake: make(chan struct{}, 1)}
}

// Start starts the command and returns when it has been executed, or at the deadline at the latest.
// If it returns an error nothing is running and nothing is left behind; errors.Is tells
// exec.ErrNotFound, fs.ErrPermission and ErrDeadline apart from others.
func Start(cfg Config) (*Command, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	path, err := LookPath(cfg.Argv[0], cfg.Env, cfg.Dir)
	if err != nil {
		return nil, err
	}
	deadline := bootclock.FromBoot(cfg.Deadline)
	now := boot(cfg)
	if l := newLadder(int64(cfg.Grace), deadline); now >= l.turn() {
		return nil, tooLate(cfg, deadline-now)
	}
	return start(cfg, path, deadline)
}

func tooLate(cfg Config, left int64) error {
	return fmt.Errorf("command %q was not started: %w: %v away, with a grace of %v", cfg.Argv[0], ErrDeadline,
		time.Duration(left).Round(time.Millisecond), cfg.Grace)
}

// boot is the agent's present reading of boot time.
func boot(cfg Config) int64 { return bootclock.FromBoot(cfg.Clock.Now()) }

// Extend moves the deadline on to the given moment, on bootclock.Clock. An earlier one than before
// changes nothing, nor does any once a stop has begun.
func (c *Command) Extend(deadline time.Time) {
	at := bootclock.FromBoot(deadline)
	c.ask(func(a *asked) { a.deadline = max(a.deadline, at) })
}

// Stop begins to stop the command: SIGTERM and SIGCONT now, SIGKILL after the grace or before the
// deadline, whichever is first. It can't be called off.
func (c *Command) Stop() {
	c.ask(func(a *asked) { a.stop = true })
}

// Signal forwards a signal to the command's process group. The error is os.ErrProcessDone if
// the command is gone.
func (c *Command) Signal(sig os.Signal) error {
	s, ok := sig.(syscall.Signal)
	if !ok {
		return fmt.Errorf("guard: unknown signal %v", sig)
	}
	select {
	case <-c.done:
		return os.ErrProcessDone
	default:
	}
	full := false
	c.ask(func(a *asked) {
		if full = len(a.signals) >= maxSignals; !full {
			a.signals = append(a.signals, s)
		}
	})
	if full {
		return fmt.Errorf("guard: signal %v was not forwarded: %d others are waiting", s, maxSignals)
	}
	return nil
}

// Done is closed when the command and all that it left behind are gone.
func (c *Command) Done() <-chan struct{} { return c.done }

// Exit says how the command ended; call it after Done.
func (c *Command) Exit() Exit {
	<-c.done
	return c.exit
}

// Pid is the command's process id, which is also that of its process group.
func (c *Command) Pid() int { return c.pid }

func (c *Command) ask(f func(*asked)) {
	c.mu.Lock()
	f(&c.asked)
	c.mu.Unlock()
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// take gives what was asked since the last call. The deadline is always the latest.
func (c *Command) take() asked {
	c.mu.Lock()
	defer c.mu.Unlock()
	a := c.asked
	c.asked.signals = nil
	return a
}
