package manifold

import (
	"context"
	"fmt"
	"time"

	"github.com/muster-go/muster/claimer"
	"github.com/muster-go/muster/tracker"
)

// Leadership is what a Gate that is open gives to guarded workers: one term of leadership, with its
// fencing token. None of its methods blocks, but Hold may if the Claimer's own does.
type Leadership interface {
	// Claim is what is held; its Token is greater than that of any leadership before.
	Claim() claimer.Claim
	// Deadline is the moment before which no other candidate can hold the name, on the tracker's
	// clock. It moves on with each renewal, and stays where it is once leadership is lost.
	Deadline() time.Time
	// Leads compares Now with the end of the lease: whether leadership is guaranteed at this moment.
	Leads() bool
	// Lost is closed when leadership can't be guaranteed any more, for whatever reason.
	Lost() <-chan struct{}
	// Context gives a child of parent that also ends at the loss, with cause
	// tracker.ErrLeadershipChanged; see tracker.Hold. Cancel it when the work is done.
	Context(parent context.Context) (context.Context, context.CancelFunc)
	// Hold counts guarded work on this term; tracker.ErrNotLeader once it is over. Until release is
	// called the claim isn't given up. Calling it again is harmless.
	Hold() (release func(), err error)
}

// leadership is the open gate without what only the engine and the gate itself may do.
type leadership struct{ gate *openGate }

func (l leadership) Claim() claimer.Claim  { return l.gate.hold.Claim() }
func (l leadership) Deadline() time.Time   { return l.gate.hold.Deadline() }
func (l leadership) Leads() bool           { return l.gate.hold.Leads() }
func (l leadership) Lost() <-chan struct{} { return l.gate.hold.Lost() }

func (l leadership) Context(parent context.Context) (context.Context, context.CancelFunc) {
	return l.gate.hold.Context(parent)
}

func (l leadership) Hold() (release func(), err error) {
	hold, err := l.gate.election.Hold()
	if err != nil {
		return nil, err
	}
	if held, own := hold.Claim().Token, l.Claim().Token; held != own {
		hold.Release()
		return nil, fmt.Errorf("hold on leadership of %q with token %d: %w: the present token is %d", l.Claim().Name, own, tracker.ErrNotLeader, held)
	}
	return hold.Release, nil
}

// vacated is closed when leadership was lost, or the gate killed, and the engine has stopped what
// depends on the gate; at once under an engine that knows no order.
func (l leadership) vacated() <-chan struct{} { return l.gate.vacated }
