package tracker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/muster-go/muster/claimer"
)

// maxHung is how many abandoned Claims may be out before the pace of new ones is slowed to one each
// slowdown × Duration.
const (
	maxHung  = 4
	slowdown = 16
)

// attempt is one call of Claim.
type attempt struct {
	epoch  uint64
	holder string // with the incarnation
	sent   int64  // the clock, read before the call: the lease is counted from here
	hangs  int64  // when it is abandoned
	cancel context.CancelFunc
}

// claims says whether this is a time to claim, or to renew.
func (l *loop) claims() bool {
	switch l.phase {
	case campaigning, leading:
		return l.attempt == nil
	case draining:
		// Renewed for those that still hold it; but a claim that ended isn't asked for anew.
		return l.attempt == nil && l.ending.orderly && !l.ending.gone && l.now() < l.term.deadline.Load()
	}
	return false
}

// claimDue is when the next Claim may be sent.
func (l *loop) claimDue() int64 {
	if l.hung >= maxHung {
		return max(l.claimAt, l.lastSent+slowdown*l.duration)
	}
	return l.claimAt
}

// claim sends a Claim, or a renewal.
func (l *loop) claim(now int64) {
	ctx, cancel := context.WithCancel(context.Background())
	candidate := l.Candidate()
	a := &attempt{epoch: l.epoch, holder: candidate.Holder, sent: now, hangs: now + l.duration/2, cancel: cancel}
	l.attempt, l.lastSent = a, now
	watch := l.phase == campaigning && l.keeper != nil
	go func() {
		defer cancel()
		claim, err := l.config.Claimer.Claim(ctx, candidate, 2*l.config.Duration)
		got := err == nil
		var keep claimer.Hold
		if got && watch {
			keep, err = l.keeper.Hold(claim)
		}
		select {
		case l.inbox <- func() { l.answered(a, claim, keep, err) }:
		case <-l.tomb.Dead():
			if got {
				l.giveBack(claim, keep)
			}
		}
	}()
}

// giveBack releases what an abandoned Claim got after the tracker's end, or for an incarnation that
// is over. It blocks, and isn't called from the loop goroutine.
func (w *Worker) giveBack(claim claimer.Claim, keep claimer.Hold) {
	if keep != nil {
		keep.Release()
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	defer w.config.Clock.AfterFunc(w.config.Duration, cancel).Stop()
	if err := w.config.Claimer.Release(ctx, claim); err != nil && !errors.Is(err, claimer.ErrNotHeld) {
		w.config.Logger.Warn("a claim that was granted too late wasn't released: it ends by itself",
			"token", claim.Token, "within", 2*w.config.Duration, "error", err)
	}
}

// abandonHung gives up a Claim that takes too long.
func (l *loop) abandonHung(now int64) {
	if l.attempt == nil || now < l.attempt.hangs {
		return
	}
	l.attempt.cancel()
	stale := l.attempt.epoch != l.epoch
	l.abandon()
	l.metrics.count(outcomeHung)
	if !stale {
		l.failed(now, fmt.Errorf("claim of %q: no answer within %v: its context was cancelled and it is waited for no more", l.candidate.Name, time.Duration(l.duration/2)), l.failures+1)
	}
}

func (l *loop) abandon() {
	l.attempt = nil
	l.hung++
}

// answered is how a Claim came back, soon or late.
func (l *loop) answered(a *attempt, claim claimer.Claim, keep claimer.Hold, err error) {
	late := a != l.attempt
	if late {
		l.hung--
	} else {
		l.attempt = nil
	}
	now := l.now()
	void := a.epoch != l.epoch
	switch {
	case err == nil:
		l.metrics.count(outcomeGranted)
		switch {
		case void && a.holder != l.view.Load().holder:
			go l.giveBack(claim, keep) // nobody stands under that name any more
		case void:
			l.discard(keep)
			l.grantedLate(now)
		default:
			l.granted(now, a, claim, keep)
		}
	case permanent(err):
		l.metrics.count(outcomeError)
		l.fatal(fmt.Errorf("claim of %q: %w", l.candidate.Name, err))
	case errors.Is(err, claimer.ErrDenied):
		l.metrics.count(outcomeDenied)
		if !void {
			l.denied(now, a, err)
		}
	default:
		l.metrics.count(outcomeError)
		if !void && !late {
			l.failed(now, fmt.Errorf("claim of %q: %w", l.candidate.Name, err), l.failures+1)
		}
	}
}

// discard drops a Keeper's hold that isn't needed.
func (l *loop) discard(keep claimer.Hold) {
	if keep != nil {
		go keep.Release()
	}
}

// grantedLate: a Claim of an earlier term, or from before a denial, was granted after all. It never
// makes a leader; but the name may be ours without our knowing, and nobody else's: ask again.
func (l *loop) grantedLate(now int64) {
	if l.phase == waiting && !l.stopping {
		if l.waits != nil {
			l.waits.cancel()
		}
		l.campaign(now)
	}
}

// granted: the name is ours, until 2×Duration after the Claim was sent.
func (l *loop) granted(now int64, a *attempt, claim claimer.Claim, keep claimer.Hold) {
	until := a.sent + 2*l.duration - l.margin
	switch l.phase {
	case campaigning:
		if until <= now {
			l.discard(keep)
			l.failed(now, fmt.Errorf("claim of %q: granted only after its own end", l.candidate.Name), l.failures+1)
			return
		}
		l.succeeded(a)
		l.churn = 0
		l.begin(claim, keep, until)
	case leading:
		l.discard(keep)
		if claim.Token != l.term.claim.Token {
			// Others may have led in between.
			l.lower(fmt.Sprintf("the claim was lost and won again with token %d", claim.Token), true, false)
			l.claimAt = now
			return
		}
		if until <= l.term.until.Load() {
			return // overtaken by a later one
		}
		l.succeeded(a)
		l.extend(until)
		v := *l.view.Load()
		asked := v.claim
		v.claim = newCell()
		l.publish(&v)
		asked.resolve(l.term)
	case draining:
		l.discard(keep)
		l.succeeded(a)
		if claim.Token != l.term.claim.Token {
			l.ending.gone = true
		} else {
			l.term.deadline.Store(max(until, l.term.deadline.Load()))
		}
	}
}

func (l *loop) succeeded(a *attempt) {
	l.failures, l.lastErr = 0, nil
	l.lastWon, l.claimAt = a.sent, a.sent+l.duration
}

// denied: the name surely isn't ours.
func (l *loop) denied(now int64, a *attempt, err error) {
	var holder *claimer.Claim
	if denial, ok := errors.AsType[*claimer.DeniedError](err); ok && denial.Holder != nil {
		copied := *denial.Holder
		holder = &copied
	}
	switch l.phase {
	case campaigning:
		l.epoch++
		l.phase = waiting
		l.failures, l.lastErr = 0, nil
	case leading:
		if a.sent < l.lastWon {
			l.claimAt = now // sent before the latest grant: look again
			return
		}
		l.lower("denied: "+err.Error(), true, false)
		l.ending.denied = true
	case draining:
		l.ending.gone = true
		return
	default:
		return
	}
	l.minion(holder)
}

// minion shows that this process surely doesn't lead, and perhaps who does.
func (l *loop) minion(holder *claimer.Claim) {
	v := *l.view.Load()
	first, before := !v.answered, v.elsewhere
	asked, over := v.claim, v.minion
	if first {
		v.claim, v.minion = newCell(), make(chan struct{})
	}
	v.elsewhere = holder
	l.publish(&v)
	if first {
		asked.resolve(nil)
		close(over)
	}
	switch {
	case holder != nil && (before == nil || before.Token != holder.Token || before.Holder != holder.Holder):
		l.config.Logger.Info("another leads", "leader", claimer.DisplayHolder(holder.Holder), "token", holder.Token)
		l.watchers.tell(Event{Kind: LeaderElsewhere, Claim: *holder})
	case first:
		l.watchers.tell(Event{Kind: BecameMinion})
	}
}

// failed: nothing is known about the outcome; try again later, after so many failures in a row.
func (l *loop) failed(now int64, err error, failures int) {
	l.failures, l.lastErr = failures, err
	l.claimAt = now + l.backoff(failures)
	level := slog.LevelDebug
	if failures == 1 { // once a spell of failures
		level = slog.LevelWarn
	}
	l.config.Logger.Log(context.Background(), level, "trying again", "error", err, "failures", l.failures, "in", time.Duration(l.claimAt-now), "leading", l.phase == leading)
	l.watchers.tell(Event{Kind: ErrorSeen, Err: err, Leading: l.phase == leading})
}

// campaign claims at the given time.
func (l *loop) campaign(at int64) {
	l.phase, l.waits = campaigning, nil
	l.claimAt = at
}
