package running

import (
	"errors"
	"os"
	"syscall"
	"time"

	"github.com/juju/clock"

	"github.com/muster-go/muster/cmd/agent/internal/say"
)

// supervise stays with the running command until it has stopped: passes signals on, and has it
// stopped when the leadership or the agent ends.
func (t *term) supervise() {
	var firm <-chan time.Time // when an interrupted command is asked once more, with SIGTERM
	lost := t.hold.Lost()
	for {
		select {
		case <-t.command.Done():
			t.look()
			return
		case <-lost:
			lost = nil
			t.lose()
			t.command.Stop()
		case caught := <-t.Signals.c:
			n := caught.(syscall.Signal)
			switch {
			case n == syscall.SIGTSTP:
				t.suspend()
			case n == syscall.SIGCONT && !t.hold.Leads():
				// The agent was frozen for too long; its guardian has ended the command.
			case !stops(n):
				t.forward(n)
			case n == syscall.SIGTERM && t.ending == 0:
				t.ending = n
				t.command.Stop()
			case n == syscall.SIGINT:
				if firmly := t.interrupt(); firmly != nil {
					defer firmly.Stop()
					firm = firmly.Chan()
				}
				if t.abandoned {
					return
				}
			}
		case <-firm:
			t.command.Stop()
		}
	}
}

// interrupt does what one more Ctrl-C asks for. The first one is passed on, as a terminal would, and
// gives a timer: a command that doesn't mind is then asked again, firmly. The second one kills. Who
// asks a third time doesn't want to wait for anything.
func (t *term) interrupt() clock.Timer {
	now := t.clk.Now()
	if t.interrupts > 0 && now.Sub(t.interrupted) < sameInterrupt {
		return nil
	}
	t.interrupts, t.interrupted = t.interrupts+1, now
	switch {
	case t.interrupts == 1 && t.ending == 0:
		t.ending = syscall.SIGINT
		t.forward(syscall.SIGINT)
		return t.clk.NewTimer(t.Grace / 2)
	case t.interrupts == 1: // stopping already, for a SIGTERM
	case t.interrupts == 2:
		t.line("killing", say.Line{}, "killing the command")
		t.forward(syscall.SIGKILL)
	default:
		t.abandoned = true
	}
	return nil
}

// sleep waits before a restart; it ends early with the leadership or the agent.
func (t *term) sleep(d time.Duration) {
	timer := t.clk.NewTimer(d)
	defer timer.Stop()
	for {
		select {
		case <-timer.Chan():
			return
		case <-t.hold.Lost():
			t.lose()
			return
		case caught := <-t.Signals.c:
			switch n := caught.(syscall.Signal); {
			case ends(n):
				t.ending = n
				return
			case n == syscall.SIGTSTP:
				t.suspend()
			}
		}
	}
}

// look finds out, when the command has stopped, whether it stopped because the leadership ended:
// an agent that was frozen hears of both at the same moment.
func (t *term) look() {
	how := t.command.Exit()
	switch leads := t.hold.Leads(); {
	case how.ByDeadline && leads && t.ending == 0:
		// The guardian leaves the command time to stop, so it acts before the tracker lowers. The
		// term is over all the same: the next one is to have a token of its own.
		t.lose()
		t.resign()
	case !leads:
		t.lose()
	case how.GuardianLost:
		t.line("guardian-lost", say.Line{}, "the command was killed, because its guardian died")
	}
}

// lose notes, and says once, that the leadership is over.
func (t *term) lose() {
	if t.over {
		return
	}
	t.over = true
	token := t.hold.Claim().Token
	l := say.Line{Holder: t.Node, Token: token}
	select {
	case <-t.hold.queue.ResignAsked():
		t.line("resigning", l, "asked to resign from %s (token %d): stopping the command", t.Election, token)
		return
	default:
	}
	t.line("lost", l, "lost the leadership of %s (token %d)%s: stopping the command", t.Election, token, t.news.WhyLost())
}

// suspend does what Ctrl-Z asks for. The command is stopped with the agent, and as nobody renews
// the leadership meanwhile, its guardian ends it before another agent can lead.
func (t *term) suspend() {
	if t.command == nil {
		suspend()
		return
	}
	left := t.hold.Deadline().Sub(t.clk.Now()) - t.Grace
	t.line("suspended", say.Line{AtMost: max(0, left).Seconds()},
		"suspended: the command is stopped for good unless the agent goes on within %s", say.Length(left))
	t.forward(syscall.SIGTSTP)
	suspend()
	t.forward(syscall.SIGCONT)
}

// forward passes a signal on.
func (t *term) forward(n syscall.Signal) {
	if err := t.command.Signal(n); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.line("not-forwarded", say.Line{}, "signal %v did not reach the command: %v", n, err)
	}
}
