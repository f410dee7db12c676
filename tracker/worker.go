package tracker

import (
	"context"
	"fmt"
	"maps"
	"sync/atomic"
	"time"

	"github.com/juju/worker/v4"
	"gopkg.in/tomb.v2"

	"github.com/muster-go/muster/claimer"
	"github.com/muster-go/muster/internal/chance"
)

var (
	_ worker.Worker   = (*Worker)(nil)
	_ worker.Reporter = (*Worker)(nil)
	_ Tracker         = (*Worker)(nil)
)

// Worker is a Tracker over a claimer.Claimer. All its methods may be called from many goroutines.
type Worker struct {
	config    Config
	candidate claimer.Candidate // as configured
	keeper    claimer.Keeper    // nil: the Claimer isn't one
	base      time.Time         // all times inside are nanoseconds since then
	duration  int64
	margin    int64

	tomb     tomb.Tomb
	view     atomic.Pointer[view]
	status   atomic.Pointer[status]
	watchers watchers
	metrics  *metrics

	kick    chan struct{} // asks the loop for a renewal now
	resigns chan *resignation
}

// view is what the request methods see. The loop replaces it; it is never changed.
type view struct {
	holder    string         // who stands, with the present incarnation
	answered  bool           // the Claimer answered once, or nobody waits for that any more
	stopped   bool           // there will be no term any more
	term      *term          // the present term, in force until its until; nil: not leading
	claim     *cell          // resolved by the answer that ClaimLeader waits for
	leader    *cell          // resolved by the present term, or else the next one
	minion    chan struct{}  // closed when not leading
	elsewhere *claimer.Claim // who leads, by the last denial
	first     chan struct{}  // closed when answered
}

// New starts a tracker, which campaigns until it is killed.
func New(config Config) (*Worker, error) {
	if err := config.Validate(); err != nil {
		return nil, err
	}
	config = config.withDefaults()
	w := &Worker{
		config:    config,
		candidate: config.Candidate,
		base:      config.Clock.Now(),
		duration:  int64(config.Duration),
		margin:    int64(config.Margin),
		kick:      make(chan struct{}, 1),
		resigns:   make(chan *resignation),
	}
	w.keeper, _ = config.Claimer.(claimer.Keeper)
	w.view.Store(&view{holder: w.incarnate(), claim: newCell(), leader: newCell(), minion: make(chan struct{}), first: make(chan struct{})})
	w.status.Store(&status{phase: campaigning})
	w.metrics = newMetrics(w)
	l := newLoop(w)
	w.tomb.Go(l.run)
	return w, nil
}

// now reads the clock.
func (w *Worker) now() int64 { return int64(w.config.Clock.Now().Sub(w.base)) }

// Kill implements worker.Worker: the tracker lowers, resolves every ticket, waits for guarded work
// while it goes on renewing the claim, releases the claim (for at most Duration) and ends. It
// doesn't block and may be called again.
func (w *Worker) Kill() { w.tomb.Kill(nil) }

// Wait implements worker.Worker: it returns nil after Kill, or the permanent error that ended the
// tracker. It waits for the holds to be released, but for no call of the Claimer that hangs.
func (w *Worker) Wait() error { return w.tomb.Wait() }

// ServiceName implements Tracker.
func (w *Worker) ServiceName() string { return w.candidate.Name }

// ClaimDuration implements Tracker.
func (w *Worker) ClaimDuration() time.Duration { return w.config.Duration }

// incarnate names a holder that there never was: 65 random bits after the configured one.
func (w *Worker) incarnate() string {
	return w.candidate.Holder + "#" + chance.Text(w.config.Rand)[:13]
}

// Candidate is who stands: the configured candidate, its holder with "#" and the incarnation, which
// is a new one after each resignation.
func (w *Worker) Candidate() claimer.Candidate {
	candidate := w.candidate
	candidate.Holder = w.view.Load().holder
	candidate.Attributes = maps.Clone(candidate.Attributes)
	return candidate
}

// Leadership gives the claim by which this process leads; ok is false if it doesn't lead now.
//
// The tracker lowers Margin before the end of its lease. The deadline is that moment or, over a
// claimer.Keeper whose hold reaches further, the Keeper's: no other candidate can hold the name
// before it. It is on the tracker's clock, and moves on with each renewal.
func (w *Worker) Leadership() (claim claimer.Claim, deadline time.Time, ok bool) {
	t := w.view.Load().term
	if t == nil || w.now() >= t.until.Load() {
		return claimer.Claim{}, time.Time{}, false
	}
	return t.claim, w.deadline(t, t.keep), true
}

// deadline is the later of the term's and the Keeper's.
func (w *Worker) deadline(t *term, keep claimer.Hold) time.Time {
	deadline := w.base.Add(time.Duration(t.deadline.Load()))
	if keep != nil {
		if kept := keep.Deadline(); kept.After(deadline) {
			return kept
		}
	}
	return deadline
}

// Leader says who leads: this process, or else whom the last denial named, who may have gone since.
// It blocks only before the Claimer's very first answer. ErrUnknown if nobody is known to lead.
func (w *Worker) Leader(ctx context.Context) (claimer.Claim, error) {
	select {
	case <-w.view.Load().first:
	case <-ctx.Done():
		return claimer.Claim{}, fmt.Errorf("who leads %q: %w", w.candidate.Name, ctx.Err())
	}
	if claim, _, ok := w.Leadership(); ok {
		return claim, nil
	}
	v := w.view.Load()
	switch {
	case v.stopped:
		return claimer.Claim{}, fmt.Errorf("who leads %q: %w", w.candidate.Name, ErrStopped)
	case v.elsewhere == nil:
		return claimer.Claim{}, fmt.Errorf("who leads %q: %w", w.candidate.Name, ErrUnknown)
	}
	return *v.elsewhere, nil
}
