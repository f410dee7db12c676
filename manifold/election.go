package manifold

import (
	"context"
	"time"

	"github.com/muster-go/muster/claimer"
	"github.com/muster-go/muster/tracker"
)

// Election is one election as this process stands in it: all that a *tracker.Worker does, but for
// stopping it. The methods are described there.
type Election interface {
	tracker.Tracker
	// Leadership gives the claim by which this process leads now.
	Leadership() (claim claimer.Claim, deadline time.Time, ok bool)
	// Leader says who leads. It blocks only before the very first answer.
	Leader(ctx context.Context) (claimer.Claim, error)
	// Observe tells, from the present state on, of each change.
	Observe(ctx context.Context) <-chan tracker.Event
	// Hold takes a count of guarded work; tracker.ErrNotLeader if there is no leadership to hold.
	Hold() (*tracker.Hold, error)
	// RunWhileLeader waits for leadership and runs f with a context that ends before another leads.
	RunWhileLeader(ctx context.Context, f func(context.Context, claimer.Claim) error) error
	// Report tells the state for people, without blocking.
	Report() map[string]any
	// Resign gives leadership up once guarded work has stopped. Guarded work must not call it.
	Resign(ctx context.Context) (held bool, err error)
}

// election hides Kill and Wait: a tracker's life is the engine's.
type election struct{ w *tracker.Worker }

func (e election) ServiceName() string          { return e.w.ServiceName() }
func (e election) ClaimDuration() time.Duration { return e.w.ClaimDuration() }
func (e election) ClaimLeader() tracker.Ticket  { return e.w.ClaimLeader() }
func (e election) WaitLeader() tracker.Ticket   { return e.w.WaitLeader() }
func (e election) WaitMinion() tracker.Ticket   { return e.w.WaitMinion() }
func (e election) Leadership() (claimer.Claim, time.Time, bool) {
	return e.w.Leadership()
}

func (e election) Leader(ctx context.Context) (claimer.Claim, error) { return e.w.Leader(ctx) }

func (e election) Observe(ctx context.Context) <-chan tracker.Event { return e.w.Observe(ctx) }

func (e election) Hold() (*tracker.Hold, error) { return e.w.Hold() }

func (e election) RunWhileLeader(ctx context.Context, f func(context.Context, claimer.Claim) error) error {
	return e.w.RunWhileLeader(ctx, f)
}

func (e election) Report() map[string]any { return e.w.Report() }

func (e election) Resign(ctx context.Context) (bool, error) { return e.w.Resign(ctx) }
