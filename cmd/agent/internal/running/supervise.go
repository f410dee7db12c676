package running

import (
	"errors"
	"os"
	"syscall"
	"time"

	"github.com/muster-go/muster/cmd/agent/internal/say"
)

// supervise stays with the running command until it has stopped: pushes the deadline on to its
// guardian, passes signals on, and has it stopped when the leadership or the agent ends.
func (t *term) supervise() {
	push := t.clk.NewTimer(t.TTL / 10)
	defer push.Stop()
	var firm <-chan time.Time // when an interrupted command is asked once more, with SIGTERM
	lost := t.hold.Lost()
	for {
		select {
		case <-t.command.Done():
			t.look()
			return
		case <-push.Chan():
			t.command.Extend(t.hold.Deadline())
			push.Reset(t.TTL / 10)
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
			default:
				t.signals++
				switch t.signals {
				case 1:
					t.ending = n
					if n == syscall.SIGTERM {
						t.command.Stop()
						break
					}
					// As a terminal would; a command that doesn't mind is asked again, firmly.
					t.forward(n)
					timer := t.clk.NewTimer(t.Grace / 2)
					defer timer.Stop()
					firm = timer.Chan()
				case 2:
					t.line("killing", say.Line{}, "killing the command")
					t.forward(syscall.SIGKILL)
				default:
					t.abandoned = true
					return
				}
			}
		case <-firm:
			t.command.Stop()
		}
	}
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
	if how := t.command.Exit(); how.ByDeadline || !t.hold.Leads() {
		t.lose()
	} else if how.GuardianLost {
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
	t.line("lost", l, "lost the leadership of %s (token %d)%s: stopping the command", t.Election, token, t.news.whyLost())
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
