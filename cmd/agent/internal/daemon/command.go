package daemon

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gopkg.in/tomb.v2"

	"github.com/muster-go/muster/cmd/agent/internal/command"
	"github.com/muster-go/muster/cmd/agent/internal/guard"
	"github.com/muster-go/muster/cmd/agent/internal/say"
	"github.com/muster-go/muster/manifold"
)

// commander is the worker that runs a command for one term of leadership, again and again.
type commander struct {
	tomb       tomb.Tomb
	s          *stand
	spec       command.Spec
	leadership manifold.Leadership
	election   manifold.Election
}

func newCommand(s *stand, spec command.Spec, leadership manifold.Leadership, election manifold.Election) *commander {
	w := &commander{s: s, spec: spec, leadership: leadership, election: election}
	w.tomb.Go(w.run)
	return w
}

// Kill implements worker.Worker.
func (w *commander) Kill() { w.tomb.Kill(nil) }

// Wait implements worker.Worker: it returns when nothing of the command runs any more.
func (w *commander) Wait() error { return w.tomb.Wait() }

// Report implements worker.Reporter.
func (w *commander) Report() map[string]any {
	w.s.mu.Lock()
	defer w.s.mu.Unlock()
	report := map[string]any{"command": w.spec.Argv, "token": w.leadership.Claim().Token, "starts": w.s.starts}
	if w.s.running != nil {
		report["pid"] = w.s.running.Pid()
	}
	if w.s.lastExit != "" {
		report["last"] = w.s.lastExit
	}
	return report
}

// run runs the command until the leadership or the worker ends. An error is for the engine to try
// again: the command couldn't be started.
func (w *commander) run() error {
	defer func() {
		if !w.leadership.Leads() {
			w.s.lose(w.leadership.Claim().Token)
		}
	}()
	var pause command.Pause
	for w.goesOn() {
		began := w.spec.Clock.Now()
		running, err := w.spec.Start(w.leadership.Claim(), w.leadership.Deadline)
		switch {
		case errors.Is(err, guard.ErrDeadline):
			// The claim is about to be renewed, or lost.
			w.sleep(w.spec.Retry())
			continue
		case err != nil:
			w.s.runs(nil, err.Error())
			return err
		}
		w.s.runs(running, "")
		w.supervise(running)
		how := running.Exit()
		code := command.ExitCode(how)
		w.s.runs(nil, fmt.Sprintf("ended with code %d", code))
		if how.ByDeadline && w.goesOn() {
			// The guardian leaves the command time to stop, so it acts before the tracker lowers. The
			// term is over all the same: the next one is to have a token of its own.
			resign(w.election)
			return nil
		}
		if !w.goesOn() {
			return nil
		}
		wait := pause.After(w.spec.Clock.Now().Sub(began))
		text := "the command ended with code %d; running it again in %s"
		if how.GuardianLost {
			text = "the command was killed, because its guardian died (code %d); running it again in %s"
		}
		w.s.say("restarting", say.Line{Token: w.leadership.Claim().Token}, text, code, say.Length(wait))
		w.sleep(wait)
	}
	return nil
}

// resign makes the tracker lower, now, and give the claim up once it isn't held any more.
func resign(election manifold.Election) {
	now, cancel := context.WithCancel(context.Background())
	cancel()
	_, _ = election.Resign(now) // nobody waits for more than the lowering
}

// goesOn says whether a command may run.
func (w *commander) goesOn() bool { return w.tomb.Alive() && w.leadership.Leads() }

// supervise stays with the running command until it has stopped.
func (w *commander) supervise(running *guard.Command) {
	select {
	case <-running.Done():
		return
	case <-w.leadership.Lost():
	case <-w.tomb.Dying():
	}
	running.Stop()
	<-running.Done()
}

// sleep waits; it ends early with the leadership or the worker.
func (w *commander) sleep(d time.Duration) {
	timer := w.spec.Clock.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.Chan():
	case <-w.leadership.Lost():
	case <-w.tomb.Dying():
	}
}
