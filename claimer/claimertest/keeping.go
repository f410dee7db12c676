package claimertest

import (
	"errors"
	"sync"
	"time"

	"github.com/muster-go/muster/claimer"
)

// keeping extends a claim until it is stopped.
type keeping struct {
	k    *kit
	stop func()

	mu   sync.Mutex
	term term
	over bool // the machine was too slow to keep it
}

// keep starts to extend the claim.
func (k *kit) keep(t term) *keeping {
	p := &keeping{k: k, term: t}
	over := make(chan struct{})
	done := k.spawn(func() {
		for {
			select {
			case <-over:
				return
			case <-k.ctx.Done():
				return
			case <-k.h.Clock.After(k.d / 4):
			}
			if !p.extend() {
				return
			}
		}
	})
	p.stop = sync.OnceFunc(func() {
		close(over)
		if !k.comes(done, k.ever) {
			k.late("a Claim that extends did not return within %v", k.ever)
		}
	})
	return p
}

// extend asks again, once. It says whether to go on.
func (p *keeping) extend() bool {
	k, old := p.k, p.get()
	before := k.now()
	claim, err := old.view.Claim(k.ctx, old.Candidate, k.d)
	after := k.now()
	sure := after.Before(old.until) // the whole call lay in the time of the claim before
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case k.ctx.Err() != nil:
		return false
	case err == nil && claim.Token == old.Token:
		p.term.since, p.term.until, p.term.at = before, before.Add(k.d), after
		return true
	case err == nil && sure:
		k.Errorf("asking again while the claim was in force changed its token from %d to %d", old.Token, claim.Token)
	case errors.Is(err, claimer.ErrDenied) && sure:
		k.Errorf("asking again while the claim was in force was denied: %v", err)
	case permanent(err):
		k.Errorf("asking again got a permanent error: %v", err)
	case err != nil && sure:
		return true // says nothing about the outcome: try again
	}
	p.over = true
	return false
}

func (p *keeping) get() term {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.term
}

// inForce says whether the claim was surely in force at the instant, and ends the round if the
// machine was too slow to keep it.
func (p *keeping) inForce(at time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.over {
		p.k.late("the holder could not extend its claim in time")
	}
	return at.Before(p.term.until)
}

// mustDeny has a rival ask several times, over a time in which the claim would have ended had it
// not been extended, and fails the check if it is granted.
func (p *keeping) mustDeny(view claimer.Claimer, c claimer.Candidate, rule string) {
	k := p.k
	k.Helper()
	for range 5 {
		t, err := k.claim(view, c)
		if err == nil && p.inForce(t.at) {
			k.Fatalf("%s: %s (token %d) was granted %q while %s (token %d) held it for another %v",
				rule, c.Holder, t.Token, c.Name, p.get().Holder, p.get().Token, p.get().until.Sub(t.at))
		}
		if err == nil {
			k.late("the holder's claim ended before the rival was answered")
		}
		k.sleep(k.d / 4)
	}
}

// free stops extending and releases.
func (p *keeping) free() {
	p.k.Helper()
	p.stop()
	p.k.free(p.get())
}
