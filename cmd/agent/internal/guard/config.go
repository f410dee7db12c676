package guard

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/juju/clock"

	"github.com/muster-go/muster/internal/bootclock"
)

// Arg is the word by which the agent's program knows that it is to be the guardian.
const Arg = "__guardian"

// ErrDeadline is returned by Start when the time left until the deadline isn't longer than the
// grace, so that the command would be stopped as soon as it starts, or when it passed meanwhile.
var ErrDeadline = errors.New("no time left before the deadline")

// Config describes the command and its first deadline.
type Config struct {
	Argv []string // the command's name and arguments; see LookPath
	Env  []string // as key=value; nil: the agent's own
	Dir  string   // working directory; empty: the agent's own

	Stdin, Stdout, Stderr *os.File // nil: the null device; they stay the caller's to close

	Grace    time.Duration // from SIGTERM to SIGKILL; 0: SIGKILL at once
	Deadline time.Time     // when the command must be dead, on bootclock.Clock
	// Renewed gives the deadline as it is by now. It is asked when the guardian is up, which takes
	// a while on a busy machine. Nil: it is still Deadline.
	Renewed func() time.Time

	// Executable starts the guardian: a program that calls Main, and its arguments. Nil: this
	// program with Arg.
	Executable []string
	// NoCgroup leaves the command in the agent's cgroup even where one could be made for it.
	NoCgroup bool

	Logger *slog.Logger // nil: slog.Default
	Clock  clock.Clock  // the agent's own timers; nil: bootclock.Clock, and its times must agree with that
}

// Validate says what is wrong with the settings. It doesn't look for the command: LookPath does.
func (c Config) Validate() error {
	if len(c.Argv) == 0 || c.Argv[0] == "" {
		return errors.New("guard: no command given")
	}
	for _, s := range append(append([]string{c.Dir}, c.Argv...), c.Env...) {
		if strings.ContainsRune(s, 0) {
			return fmt.Errorf("guard: command, environment or directory contains a NUL byte: %q; remove it", s)
		}
	}
	if c.Grace < 0 {
		return fmt.Errorf("guard: grace is negative: %v; give 0 or more", c.Grace)
	}
	if c.Deadline.IsZero() {
		return errors.New("guard: no deadline given")
	}
	if c.Dir != "" {
		if info, err := os.Stat(c.Dir); err != nil {
			return fmt.Errorf("guard: working directory: %w", err)
		} else if !info.IsDir() {
			return fmt.Errorf("guard: working directory %s is not a directory", c.Dir)
		}
	}
	return nil
}

func (c Config) withDefaults() Config {
	if c.Env == nil {
		c.Env = os.Environ()
	}
	if len(c.Executable) == 0 {
		c.Executable = []string{"/proc/self/exe", Arg}
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.Clock == nil {
		c.Clock = bootclock.Clock
	}
	return c
}

// Exit says how the command ended.
type Exit struct {
	Code         int            // what it exited with; -1 if a signal ended it
	Signal       syscall.Signal // what ended it; 0 if it exited by itself
	ByDeadline   bool           // it was stopped because the deadline came near
	GuardianLost bool           // its guardian died or didn't answer, and it was killed
}
