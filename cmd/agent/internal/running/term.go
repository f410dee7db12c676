package running

import (
	"errors"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/muster-go/muster/cmd/agent/internal/exit"
	"github.com/muster-go/muster/cmd/agent/internal/guard"
	"github.com/muster-go/muster/cmd/agent/internal/say"
)

// A command that is run again and ends within quick is waited with: at first for pauseFirst, twice
// as long each time, at most pauseMost.
const (
	quick      = 5 * time.Second
	pauseFirst = 100 * time.Millisecond
	pauseMost  = 10 * time.Second
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
	env := environment(os.Environ(), map[string]string{
		"MUSTER_ELECTION": r.Election,
		"MUSTER_TOKEN":    strconv.FormatUint(claim.Token, 10),
		"MUSTER_NODE":     r.Node,
	})
	pause := pauseFirst
	for {
		began := r.clk.Now()
		t.command, err = guard.Start(guard.Config{
			Argv: r.Argv, Env: env,
			Stdin: r.Stdin, Stdout: r.Stdout, Stderr: r.Stderr,
			Grace: r.Grace, Deadline: hold.Deadline(), Renewed: hold.Deadline, Logger: r.Logger,
		})
		switch {
		case err == nil:
			t.supervise()
		case errors.Is(err, guard.ErrDeadline):
			// The claim is about to be renewed, or lost.
			t.sleep(r.TTL / 20)
		default:
			return false, exit.Errorf(exit.NoCommand, "run: %w", err)
		}
		if t.ending != 0 || t.over {
			return t.end()
		}
		if err != nil {
			continue
		}
		code := exitCode(t.command.Exit())
		if !r.Restart {
			return false, exit.Silent(code)
		}
		if r.clk.Now().Sub(began) >= quick {
			pause = pauseFirst
		}
		r.line("restarting", say.Line{Token: claim.Token}, "the command ended with code %d; running it again in %s", code, say.Length(pause))
		t.command = nil
		t.sleep(pause)
		pause = min(2*pause, pauseMost)
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

// environment gives env with some variables set; what stood there under their names is gone, since
// programs differ in which of two values they take.
func environment(env []string, set map[string]string) []string {
	env = slices.DeleteFunc(env, func(line string) bool {
		name, _, _ := strings.Cut(line, "=")
		_, replaced := set[name]
		return replaced
	})
	for name, value := range set {
		env = append(env, name+"="+value)
	}
	return env
}

// exitCode is a command's as shells tell it.
func exitCode(e guard.Exit) int {
	if e.Signal != 0 {
		return exit.Signalled + int(e.Signal)
	}
	return e.Code
}
