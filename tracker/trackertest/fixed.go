package trackertest

import (
	"context"
	"fmt"
	"time"

	"github.com/muster-go/muster/claimer"
	"github.com/muster-go/muster/tracker"
)

var _ tracker.Tracker = (*Fixed)(nil)

// Fixed is a Tracker whose answer never changes. It needs no stopping.
type Fixed struct {
	name string
	lead bool
}

// AlwaysLeader leads the named election for ever: tickets that wait for its end stay unresolved.
func AlwaysLeader(name string) *Fixed { return &Fixed{name: name, lead: true} }

// NeverLeader never leads: tickets that wait for leadership stay unresolved.
func NeverLeader(name string) *Fixed { return &Fixed{name: name} }

// ServiceName implements tracker.Tracker.
func (f *Fixed) ServiceName() string { return f.name }

// ClaimDuration implements tracker.Tracker: a minute.
func (*Fixed) ClaimDuration() time.Duration { return time.Minute }

// ClaimLeader implements tracker.Tracker: true for AlwaysLeader, false for NeverLeader, at once.
func (f *Fixed) ClaimLeader() tracker.Ticket { return resolved(f.lead) }

// WaitLeader implements tracker.Tracker: true at once for AlwaysLeader, unresolved for NeverLeader.
func (f *Fixed) WaitLeader() tracker.Ticket {
	if f.lead {
		return resolved(true)
	}
	return pending{}
}

// WaitMinion implements tracker.Tracker: unresolved for AlwaysLeader, false at once for NeverLeader.
func (f *Fixed) WaitMinion() tracker.Ticket {
	if f.lead {
		return pending{}
	}
	return resolved(false)
}

// RunWhileLeader calls run at once for AlwaysLeader, with a claim whose token is 1, and returns its
// error; for NeverLeader it waits for ctx's end and returns its error.
func (f *Fixed) RunWhileLeader(ctx context.Context, run func(context.Context, claimer.Claim) error) error {
	if !f.lead {
		<-ctx.Done()
		return fmt.Errorf("waiting for leadership of %q: %w", f.name, ctx.Err())
	}
	return run(ctx, claimer.Claim{Candidate: claimer.Candidate{Name: f.name, Holder: "always"}, Token: 1})
}

type resolved bool

var ready = func() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()

func (r resolved) Wait() bool           { return bool(r) }
func (resolved) Ready() <-chan struct{} { return ready }

// pending is never resolved. Its channel is made at each call, so that one made outside a synctest
// bubble is never waited for inside.
type pending struct{}

func (pending) Wait() bool             { select {} }
func (pending) Ready() <-chan struct{} { return make(chan struct{}) }
