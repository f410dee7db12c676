package tracker

import (
	"context"
	"errors"
	"fmt"

	"github.com/muster-go/muster/claimer"
)

// ending is how a term is wound up.
type ending struct {
	gone    bool // the claim surely isn't ours any more: nothing to renew or to release
	denied  bool // another has the name: wait for it next
	orderly bool // the tracker resigns or stops: renew while held, then release

	giveUp  int64    // when Release is given up
	call    *endCall // the one under way
	retryAt int64    // when the next may be sent
	tries   int
}

// endCall is one call of Release.
type endCall struct{ cancel context.CancelFunc }

// wake is when something is due.
func (e *ending) wake(now int64) int64 {
	if e.call == nil && e.retryAt > now {
		return min(e.giveUp, e.retryAt)
	}
	return e.giveUp
}

// release gives the claim up once nobody holds it and no renewal is under way that could overtake
// the Release. A claim that isn't to be released is only dropped.
func (l *loop) release(now int64) {
	e, t := l.ending, l.term
	send := e.orderly && !e.gone
	switch {
	case !send && t.keep == nil && e.call == nil:
		l.wound(now, nil)
		return
	case now >= e.giveUp:
		if e.call != nil {
			e.call.cancel()
		}
		l.wound(now, fmt.Errorf("release of %q (token %d): no success within %v: the claim ends by itself within %v",
			l.candidate.Name, t.claim.Token, l.config.Duration, 2*l.config.Duration))
		return
	case e.call != nil, now < e.retryAt, send && l.attempt != nil:
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	call := &endCall{cancel: cancel}
	e.call = call
	go func() {
		defer cancel()
		var err error
		if t.keep != nil {
			t.keep.Release()
		}
		if send {
			err = l.config.Claimer.Release(ctx, t.claim)
		}
		select {
		case l.inbox <- func() { l.releaseReturned(e, call, err) }:
		case <-l.tomb.Dead():
		}
	}()
}

// releaseReturned is how Release came back.
func (l *loop) releaseReturned(e *ending, call *endCall, err error) {
	if e != l.ending || call != e.call {
		return
	}
	now := l.now()
	e.call = nil
	switch {
	case err == nil, errors.Is(err, claimer.ErrNotHeld):
		l.wound(now, nil)
	case permanent(err):
		l.wound(now, fmt.Errorf("release of %q (token %d): %w", l.candidate.Name, l.term.claim.Token, err))
	default:
		e.tries++
		e.retryAt = now + l.backoff(e.tries)
		l.lastErr = err
	}
}

// wound: the term is wound up; what comes next?
func (l *loop) wound(now int64, err error) {
	e := l.ending
	l.term, l.ending = nil, nil
	if err != nil {
		l.config.Logger.Warn("not released", "error", err)
	}
	for _, r := range l.resigned {
		r.done <- err
	}
	l.resigned = nil
	switch {
	case l.stopping:
		l.phase = finished
	case e.denied:
		l.phase = waiting
	case e.orderly:
		// A Release that was given up, or came back with an error, may yet arrive: it must not hit
		// the next term's claim, so the next term is another holder's.
		v := *l.view.Load()
		v.holder = l.incarnate()
		l.publish(&v)
		// Others first, also where the Claimer keeps no queue.
		l.campaign(now + l.duration/20)
	default:
		l.campaign(max(now, l.claimAt))
	}
}

// resignation is one call of Resign.
type resignation struct {
	held chan bool // answered at once
	done chan error
}

// Resign gives leadership up: the tracker lowers, the contexts of guarded work end, the claim is
// renewed until every hold is released, and then given up; after that the tracker stands again,
// behind those that wait now. It blocks until the claim is given up; ctx bounds only this wait, the
// resignation goes on. Guarded work that calls it would wait for itself.
//
// held says whether this process led, or a resignation was under way already. The error is nil for
// a resignation that was completed and if held is false; otherwise ctx's, ErrStopped, or what kept
// the claim from being given up: then it ends by itself within 2×Duration.
func (w *Worker) Resign(ctx context.Context) (held bool, err error) {
	r := &resignation{held: make(chan bool, 1), done: make(chan error, 1)}
	select {
	case w.resigns <- r:
	case <-w.tomb.Dead():
		return false, fmt.Errorf("resigning from %q: %w", w.candidate.Name, ErrStopped)
	}
	if held = <-r.held; !held {
		return false, nil
	}
	select {
	case err = <-r.done:
		return true, err
	case <-ctx.Done():
		return true, fmt.Errorf("resigning from %q: the claim isn't given up yet: %w", w.candidate.Name, ctx.Err())
	}
}

// resign lowers; r is told when the claim was given up.
func (l *loop) resign(r *resignation) {
	if l.phase == leading {
		l.lower("resigned", false, true)
	}
	held := (l.phase == draining || l.phase == releasing) && l.ending.orderly
	if r == nil {
		return
	}
	r.held <- held
	if held {
		l.resigned = append(l.resigned, r)
	}
}
