package endurance_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/muster-go/muster/claimer"
	"github.com/muster-go/muster/cmd/agent/internal/command"
	"github.com/muster-go/muster/cmd/agent/internal/guard"
	"github.com/muster-go/muster/internal/bootclock"
)

// exitSignal ends commands and daemons.
const exitSignal = syscall.SIGTERM

func later(d time.Duration) time.Time { return bootclock.Clock.Now().Add(d) }

// done waits for a command's end.
func done(c *guard.Command) (guard.Exit, error) {
	select {
	case <-c.Done():
		return c.Exit(), nil
	case <-time.After(patience):
		return guard.Exit{}, fmt.Errorf("command %d isn't done within %v", c.Pid(), patience)
	}
}

func TestCyclesOfACommandUnderItsGuardianLeaveNothing(t *testing.T) {
	for _, c := range []struct {
		name  string
		argv  []string
		lasts time.Duration // until the deadline; 0: an hour
		do    func(*guard.Command)
	}{
		{name: "that ends by itself", argv: []string{"true"}},
		{name: "that leaves others running", argv: []string{"sh", "-c", "sleep 999 & setsid sleep 999 & exit 3"}},
		{name: "that is stopped", argv: []string{"sleep", "999"}, do: (*guard.Command).Stop},
		{
			name: "that is signalled, and stopped", argv: []string{"sleep", "999"},
			do: func(c *guard.Command) {
				c.Extend(later(2 * time.Hour))
				_ = c.Signal(exitSignal)
			},
		},
		// On a busy machine the deadline may pass before the command has begun.
		{name: "whose deadline passes", argv: []string{"sleep", "999"}, lasts: 300 * time.Millisecond},
	} {
		t.Run(c.name, func(t *testing.T) {
			cycles, lasts := 100, time.Hour
			if c.lasts > 0 {
				cycles, lasts = 30, c.lasts
			}
			run(t, cycles, 4, func(i int) error {
				running, err := guard.Start(guard.Config{
					Argv: c.argv, Grace: 50 * time.Millisecond, Deadline: later(lasts), Logger: quiet, NoCgroup: i%2 == 0,
				})
				if c.lasts > 0 && errors.Is(err, guard.ErrDeadline) {
					return nil
				}
				if err != nil {
					return err
				}
				if c.do != nil {
					c.do(running)
				}
				_, err = done(running)
				return err
			})
		})
	}
}

func TestCyclesOfCommandsThatCantBeStartedLeaveNothing(t *testing.T) {
	for _, c := range []struct {
		name string
		argv []string
		left time.Duration
		want error
	}{
		{"there is no such command", []string{"no-such-command-anywhere"}, time.Hour, exec.ErrNotFound},
		{"no time is left", []string{"true"}, time.Millisecond, guard.ErrDeadline},
		{"the time is over before the guardian is up", []string{"true"}, 22 * time.Millisecond, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			run(t, 100, 4, func(int) error {
				running, err := guard.Start(guard.Config{Argv: c.argv, Grace: 20 * time.Millisecond, Deadline: later(c.left), Logger: quiet})
				switch {
				case err == nil && c.want == nil: // the guardian was quick
					_, err = done(running)
					return err
				case c.want == nil:
					return nil
				case !errors.Is(err, c.want):
					return fmt.Errorf("got %w, want %w", err, c.want)
				}
				return nil
			})
		})
	}
}

func TestCyclesOfALeadersCommandLeaveNothing(t *testing.T) {
	run(t, 100, 4, func(i int) error {
		spec := command.Spec{
			Election: "web", Node: "box-1", TTL: 100 * time.Millisecond, Grace: 50 * time.Millisecond,
			Argv: []string{"sh", "-c", "sleep 0.05; exit $MUSTER_TOKEN"}, Env: os.Environ(), Logger: quiet, Clock: bootclock.Clock,
		}
		token := i%200 + 1
		// The deadline is pushed on every 10 ms while it runs.
		running, err := spec.Start(claimer.Claim{Token: uint64(token)}, func() time.Time { return later(time.Hour) })
		if err != nil {
			return err
		}
		exit, err := done(running)
		if err == nil && exit.Code != token {
			err = fmt.Errorf("it ended with %+v, not with its token %d", exit, token)
		}
		return err
	})
}
