package running

import (
	"errors"
	"os"
	"syscall"
	"time"

	"github.com/muster-go/muster/cmd/agent/internal/command"
	"github.com/muster-go/muster/cmd/agent/internal/exit"
	"github.com/muster-go/muster/cmd/agent/internal/guard"
	"github.com/muster-go/muster/cmd/agent/internal/say"
)

// sameInterrupt is how far apart two SIGINTs must be to count as two presses of Ctrl-C: some programs
// (timeout(1), for one) send theirs to the process and to its group.
const sameInterrupt = 30 * time.Millisecond

// term is one time of leading.
type term struct {
	*runner
	hold    holds
	command *guard.Command // nil while none runs
	ending  syscall.Signal // the signal that ends the agent; 0: none so far
	over    bool           // the leadership is lost, or was asked back

	interrupts  int       // how often Ctrl-C was pressed
	interrupted time.Time // when last
}

// term runs the command while the hold lasts. again says that the leadership was lost and that
// nothing else ends the run.
func (r *runner) term(hold holds) (again bool, err error) {
	// Whatever ends the term, the claim is let go of only here, after the command has stopped.
	defer func() {
		if !r.abandoned {
			hold.Release()
		}
	}()
	claim := hold.Claim()
	worst := r.Limits.WorstFailover(r.TTL)
	r.line("leading", say.Line{Holder: r.Node, Token: claim.Token, PID: os.Getpid(), AtMost: worst.Seconds()},
		"leading %s with token %d (pid %d); try: kill -9 %d in another terminal and see the other take over within %s",
		r.Election, claim.Token, os.Getpid(), os.Getpid(), say.Length(worst))
	t := &term{runner: r, hold: hold}
	spec := command.Spec{
		Election: r.Election, Node: r.Node, TTL: r.TTL, Grace: r.Grace, Argv: r.Argv, Env: os.Environ(),
		Stdin: r.Stdin, Stdout: r.Stdout, Stderr: r.Stderr, Logger: r.Logger, Clock: r.clk,
	}
	var pause command.Pause
	for {
		began := r.clk.Now()
		t.command, err = spec.Start(claim, hold.Deadline)
		switch {
		case err == nil:
			t.supervise()
		case errors.Is(err, guard.ErrDeadline):
			// The claim is about to be renewed, or lost.
			t.sleep(spec.Retry())
		default:
			return false, exit.Errorf(exit.NoCommand, "run: %w", err)
		}
		if t.ending != 0 || t.over {
			return t.end()
		}
		if err != nil {
			continue
		}
		code := command.ExitCode(t.command.Exit())
		if !r.Restart {
			return false, exit.Silent(code)
		}
		wait := pause.After(r.clk.Now().Sub(began))
		r.line("restarting", say.Line{Token: claim.Token}, "the command ended with code %d; running it again in %s", code, say.Length(wait))
		t.command = nil
		t.sleep(wait)
		if t.ending != 0 || t.over {
			return t.end()
		}
	}
}

// end gives term's result when a signal or a loss ended it.
func (t *term) end() (again bool, err error) {
	if t.ending != 0 {
		return false, exit.BySignal(t.ending)
	}
	return true, nil
}
