package tracker

import (
	"errors"
	"math"
	"time"

	"github.com/juju/clock"

	"github.com/muster-go/muster/claimer"
)

// phase is what the loop is about.
//
//	campaigning ──granted──▶ leading ──lowered──▶ draining ──no holds──▶ releasing ──▶ campaigning
//	     ▲  └───denied──▶ waiting                                            └──▶ waiting, or the end
//	     └──released────────┘
type phase int

const (
	campaigning phase = iota // wants the claim: one is asked for, or will be at claimAt
	waiting                  // denied: waits for the name to be released
	leading                  // holds the claim and renews it at claimAt
	draining                 // lowered; guarded work still holds the claim
	releasing                // gives the claim up
	finished                 // the loop ends
)

const never = math.MaxInt64

// loop owns the state; all its methods are called from its own goroutine only. It never blocks but
// in its select: calls of the Claimer run in goroutines of their own and come back through inbox.
type loop struct {
	*Worker
	inbox chan func()
	dying <-chan struct{} // nil once seen
	timer clock.Timer
	armed int64 // when timer fires

	phase    phase
	stopping bool
	epoch    uint64 // counts lowerings and denials: an answer to a Claim sent in an earlier one is void
	term     *term  // leading, draining, releasing

	attempt  *attempt // the Claim under way
	hung     int      // Claims that were abandoned and haven't returned
	claimAt  int64    // when the next Claim is due
	lastSent int64    // when the last one was sent
	lastWon  int64    // when the latest of those that were granted was sent
	failures int      // Claims and waits that failed in a row
	lastErr  error

	waits    *waitCall // the WaitReleased under way
	churn    int       // waits in a row that ended at once
	ending   *ending   // draining, releasing
	resigned []*resignation
}

func newLoop(w *Worker) *loop {
	return &loop{
		Worker: w,
		inbox:  make(chan func()),
		dying:  w.tomb.Dying(),
		timer:  w.config.Clock.NewTimer(w.config.Duration),
		armed:  w.duration,
	}
}

func (l *loop) run() error {
	defer l.close()
	for {
		wake := l.advance(l.now())
		if l.phase == finished {
			return nil
		}
		l.publishStatus()
		l.arm(wake)
		var lost, resign <-chan struct{}
		if l.phase == leading && l.term.keep != nil {
			lost, resign = l.term.keep.Lost(), l.term.keep.ResignAsked()
		}
		var idle <-chan struct{}
		if l.phase == draining {
			idle = l.term.idle
			if l.term.keep != nil && !l.ending.gone {
				lost = l.term.keep.Lost()
			}
		}
		select {
		case <-l.dying:
			l.expire(l.now())
			l.stop()
		case <-l.timer.Chan():
			l.armed = never
		case then := <-l.inbox:
			// The lease may have ended while the answer was on its way.
			l.expire(l.now())
			then()
		case <-l.kick:
			if l.phase == leading && l.attempt == nil && l.failures == 0 {
				l.claimAt = l.now()
			}
		case r := <-l.resigns:
			l.expire(l.now())
			l.resign(r)
		case <-lost:
			l.lost()
		case <-resign:
			l.config.Logger.Info("resigning: asked to", "token", l.term.claim.Token)
			l.resign(nil)
		case <-idle:
		}
	}
}

// advance does everything that is due, and says when something will be.
func (l *loop) advance(now int64) (wake int64) {
	l.expire(now)
	l.abandonHung(now)
	if l.phase == draining {
		select {
		case <-l.term.idle:
			l.phase = releasing
			l.ending.giveUp = now + l.duration
		default:
		}
	}
	if l.phase == releasing {
		l.release(now)
	}
	if l.stopping && (l.phase == campaigning || l.phase == waiting) {
		l.phase = finished
		return never
	}
	if l.phase == waiting && l.waits == nil {
		l.waitReleased(now)
	}
	wake = never
	if l.claims() {
		if due := l.claimDue(); now < due {
			wake = due
		} else {
			l.claim(now)
		}
	}
	if l.phase == leading {
		wake = min(wake, l.term.until.Load())
	}
	if l.phase == releasing {
		wake = min(wake, l.ending.wake(now))
	}
	if l.attempt != nil {
		wake = min(wake, l.attempt.hangs)
	}
	return wake
}

// expire lowers when the lease has ended.
func (l *loop) expire(now int64) {
	if l.phase == leading && now >= l.term.until.Load() {
		l.lower("the lease ended without a renewal", false, false)
	}
}

// arm sets the timer, drained first: a fake clock's may hold a stale reading.
func (l *loop) arm(wake int64) {
	if wake == l.armed {
		return
	}
	l.timer.Stop()
	select {
	case <-l.timer.Chan():
	default:
	}
	l.armed = wake
	if wake != never {
		l.timer.Reset(time.Duration(max(wake-l.now(), 0)))
	}
}

// begin starts a term with the claim that was granted.
func (l *loop) begin(claim claimer.Claim, keep claimer.Hold, until int64) {
	v := *l.view.Load()
	l.term = newTerm(claim, keep, v.minion)
	l.extend(until)
	l.phase = leading
	asked := v.claim
	v.claim = newCell()
	v.term, v.elsewhere = l.term, nil
	l.publish(&v)
	v.leader.resolve(l.term)
	asked.resolve(l.term)
	l.metrics.transitions.Add(1)
	l.config.Logger.Info("leader", "token", claim.Token)
	l.watchers.tell(Event{Kind: BecameLeader, Claim: claim, Leading: true})
}

// extend moves the end of the term on.
func (l *loop) extend(until int64) {
	l.term.extend(until, l.base.Add(time.Duration(until-l.duration)))
}

// lower ends the term: from here on nothing says true. gone: the claim surely isn't ours any more.
// orderly: it is to be renewed until guarded work has ended, and then released.
func (l *loop) lower(reason string, gone, orderly bool) {
	t := l.term
	l.epoch++
	l.phase = draining
	l.ending = &ending{gone: gone, orderly: orderly}
	if l.attempt != nil {
		l.attempt.cancel()
		if !orderly {
			l.abandon() // a new Claim needn't wait for it; a Release had better
		}
	}
	v := *l.view.Load()
	asked := v.claim
	v.claim, v.minion = newCell(), make(chan struct{})
	v.term, v.leader = nil, t.next
	t.end(func() { l.publish(&v) })
	asked.resolve(t)
	l.metrics.transitions.Add(1)
	l.config.Logger.Info("not leader", "token", t.claim.Token, "reason", reason, "holds", t.held())
	l.watchers.tell(Event{Kind: BecameMinion, Claim: t.claim})
}

// publish shows v to the request methods; anything but the start counts as an answer.
func (l *loop) publish(v *view) {
	if !v.answered {
		v.answered = true
		defer close(v.first)
	}
	fresh := *v
	l.view.Store(&fresh)
}

// lost: the Keeper says that the claim is over.
func (l *loop) lost() {
	if l.phase == leading {
		l.lower("the claim was lost", true, false)
		l.claimAt = l.now()
	} else {
		l.ending.gone = true
	}
}

// stop begins the end of the tracker.
func (l *loop) stop() {
	if l.stopping {
		return
	}
	l.stopping, l.dying = true, nil
	switch l.phase {
	case leading:
		l.lower("the tracker stops", false, true)
	case draining:
		l.ending.orderly = true
	case waiting:
		if l.waits != nil {
			l.waits.cancel()
		}
	case campaigning:
		if l.attempt != nil {
			l.attempt.cancel()
		}
	}
	v := *l.view.Load()
	pending := []*cell{v.claim, v.leader}
	first := v.term == nil && !v.answered
	v.stopped = true
	v.elsewhere = nil
	l.publish(&v)
	for _, c := range pending {
		c.resolve(nil)
	}
	if first {
		close(v.minion)
	}
}

// fatal ends the tracker by a permanent error, lowering first.
func (l *loop) fatal(err error) {
	l.config.Logger.Error("tracker ends: trying again can't help", "error", err)
	l.stop()
	l.claimAt = never // a renewal for guarded work that still runs would end the same way, at once
	l.tomb.Kill(err)
}

// close is the last thing that the loop does.
func (l *loop) close() {
	l.timer.Stop()
	l.metrics.unregister()
	l.publishStatus()
	l.watchers.close(l.tomb.Err())
}

func permanent(err error) bool {
	return errors.Is(err, claimer.ErrInvalid) || errors.Is(err, claimer.ErrUnauthorized) || errors.Is(err, claimer.ErrClosed)
}
