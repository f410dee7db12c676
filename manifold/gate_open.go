package manifold

import (
	"context"
	"fmt"
	"time"

	"github.com/juju/worker/v4/dependency"
	"gopkg.in/tomb.v2"

	"github.com/muster-go/muster/engine"
	"github.com/muster-go/muster/tracker"
)

// openGate is the gate of a leader. It ends after all that depends on it.
type openGate struct {
	tomb     tomb.Tomb
	ctx      context.Context // of Start: the engine knows the gate's dependents by it
	election Election
	hold     *tracker.Hold
	vacated  chan struct{} // closed when the engine has stopped all dependents, if it does such things
}

var (
	_ engine.Flag     = (*openGate)(nil)
	_ engine.Reasoner = (*openGate)(nil)
)

func newOpenGate(ctx context.Context, election Election, hold *tracker.Hold) *openGate {
	g := &openGate{ctx: ctx, election: election, hold: hold, vacated: make(chan struct{})}
	g.tomb.Go(g.run)
	return g
}

func (g *openGate) run() error {
	var err error
	select {
	case <-g.hold.Lost():
		err = fmt.Errorf("leadership of %q was lost: %w", g.hold.Claim().Name, dependency.ErrBounce)
	case <-g.tomb.Dying():
	}
	engine.Vacate(g.ctx)
	close(g.vacated)
	g.hold.Release()
	return err
}

// Kill implements worker.Worker.
func (g *openGate) Kill() { g.tomb.Kill(nil) }

// Wait implements worker.Worker: after all dependents have ended.
func (g *openGate) Wait() error { return g.tomb.Wait() }

// Check implements engine.Flag. It stays true once leadership is lost: then the gate stops its
// dependents and ends.
func (*openGate) Check() bool { return true }

// Reason implements engine.Reasoner.
func (g *openGate) Reason() string {
	claim := g.hold.Claim()
	select {
	case <-g.hold.Lost():
		return fmt.Sprintf("leadership of %s was lost; waits for guarded work to end", claim.Name)
	default:
		return fmt.Sprintf("leader of %s with token %d", claim.Name, claim.Token)
	}
}

// Report implements worker.Reporter.
func (g *openGate) Report() map[string]any {
	claim := g.hold.Claim()
	return map[string]any{
		"election": claim.Name,
		"leader":   true,
		"token":    claim.Token,
		"deadline": g.hold.Deadline().Format(time.RFC3339Nano),
		"reason":   g.Reason(),
	}
}
