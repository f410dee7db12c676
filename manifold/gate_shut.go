package manifold

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

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
	reason   atomic.Pointer[string]
}

var (
	_ engine.Flag     = (*shutGate)(nil)
	_ engine.Reasoner = (*shutGate)(nil)
)

func newShutGate(election Election) *shutGate {
	g := &shutGate{election: election}
	g.because("who leads isn't known yet")
	ctx, cancel := context.WithCancel(context.Background())
	events := election.Observe(ctx) // from here on: what goes wrong is told once
	g.tomb.Go(func() error { return g.run(ctx, cancel, events) })
	return g
}

func (g *shutGate) run(ctx context.Context, cancel context.CancelFunc, events <-chan tracker.Event) error {
	won, waiting := make(chan error, 1), true
	await := func() { won <- g.await(ctx) }
	go await()
	defer func() {
		cancel()
		if waiting {
			<-won
		}
	}()
	for {
		select {
		case err := <-won:
			waiting = false
			switch {
			case err == nil:
				return fmt.Errorf("leadership of %q was won: %w", g.election.ServiceName(), dependency.ErrBounce)
			case errors.Is(err, tracker.ErrLeadershipChanged): // lost again before it could be held
				waiting = true
				go await()
			case errors.Is(err, tracker.ErrStopped): // soon the engine stops this worker too
				g.because("the tracker stopped")
			default:
				return err
			}
		case event, more := <-events:
			if !more {
				events = nil
			}
			g.heard(event)
		case <-g.tomb.Dying():
			return nil
		}
	}
}

// await returns nil once leadership was won; the next gate takes its own hold on it.
func (g *shutGate) await(ctx context.Context) error {
	return g.election.RunWhileLeader(ctx, func(context.Context, claimer.Claim) error { return nil })
}

// heard keeps the reason fresh.
func (g *shutGate) heard(event tracker.Event) {
	switch event.Kind {
	case tracker.LeaderElsewhere:
		g.because("leader is " + claimer.DisplayHolder(event.Claim.Holder))
	case tracker.BecameMinion:
		g.because("who leads isn't known")
	case tracker.ErrorSeen:
		g.because(fmt.Sprintf("it is tried again: %v", event.Err))
	case tracker.Done:
		g.because("the tracker stopped")
	}
}

func (g *shutGate) because(what string) {
	reason := fmt.Sprintf("not leader of %s; %s", g.election.ServiceName(), what)
	g.reason.Store(&reason)
}

// Kill implements worker.Worker.
func (g *shutGate) Kill() { g.tomb.Kill(nil) }

// Wait implements worker.Worker.
func (g *shutGate) Wait() error { return g.tomb.Wait() }

// Check implements engine.Flag.
func (*shutGate) Check() bool { return false }

// Reason implements engine.Reasoner.
func (g *shutGate) Reason() string { return *g.reason.Load() }

// Report implements worker.Reporter.
func (g *shutGate) Report() map[string]any {
	return map[string]any{
		"election": g.election.ServiceName(),
		"leader":   false,
		"reason":   g.Reason(),
	}
}
