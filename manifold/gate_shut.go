package manifold

import (
	"context"
	"errors"
	"fmt"

	"github.com/juju/worker/v4/dependency"
	"gopkg.in/tomb.v2"

	"github.com/muster-go/muster/claimer"
	"github.com/muster-go/muster/engine"
	"github.com/muster-go/muster/tracker"
)

// shutGate is the gate of a process that doesn't lead. It ends when leadership is won.
type shutGate struct {
	tomb     tomb.Tomb
	election Election
}

var (
	_ engine.Flag     = (*shutGate)(nil)
	_ engine.Reasoner = (*shutGate)(nil)
)

func newShutGate(election Election) *shutGate {
	g := &shutGate{election: election}
	g.tomb.Go(g.run)
	return g
}

func (g *shutGate) run() error {
	for {
		err := g.await(g.tomb.Context(context.Background()))
		switch {
		case !g.tomb.Alive():
			return nil
		case err == nil:
			return fmt.Errorf("leadership of %q was won: %w", g.election.ServiceName(), dependency.ErrBounce)
		case errors.Is(err, tracker.ErrLeadershipChanged): // lost again before it could be held
		case errors.Is(err, tracker.ErrStopped): // soon the engine stops this worker too
			<-g.tomb.Dying()
			return nil
		default:
			return err
		}
	}
}

// await returns nil once leadership was won; the next gate takes its own hold on it.
func (g *shutGate) await(ctx context.Context) error {
	return g.election.RunWhileLeader(ctx, func(context.Context, claimer.Claim) error { return nil })
}

// Kill implements worker.Worker.
func (g *shutGate) Kill() { g.tomb.Kill(nil) }

// Wait implements worker.Worker.
func (g *shutGate) Wait() error { return g.tomb.Wait() }

// Check implements engine.Flag.
func (*shutGate) Check() bool { return false }

// Reason implements engine.Reasoner. The tracker's report is always fresh; its events aren't enough:
// none tells that what went wrong doesn't any more.
func (g *shutGate) Reason() string {
	report := g.election.Report()
	reason := fmt.Sprintf("not leader of %s; ", g.election.ServiceName())
	switch leader, known := report["leader"]; {
	case report["state"] == "stopped":
		return reason + "the tracker stopped"
	case known:
		reason += fmt.Sprintf("leader is %v", leader)
	default:
		reason += "who leads isn't known"
	}
	if blocked, ok := report["blocked"]; ok {
		reason += fmt.Sprintf("; %v", blocked)
	}
	if err, ok := report["error"]; ok {
		reason += fmt.Sprintf("; it is tried again: %v", err)
	}
	return reason
}

// Report implements worker.Reporter.
func (g *shutGate) Report() map[string]any {
	return map[string]any{
		"election": g.election.ServiceName(),
		"leader":   false,
		"reason":   g.Reason(),
	}
}
