package claimertest

import (
	"errors"
	"sync"
	"time"

	"github.com/muster-go/muster/claimer"
)

// ledger watches over one name that many candidates claim: never two at once, and tokens that rise.
type ledger struct {
	k *kit

	mu     sync.Mutex
	terms  map[string]term // in force, by holder
	tokens map[uint64]string
	newest uint64
	wins   map[string]int
}

func (k *kit) ledger() *ledger {
	return &ledger{k: k, terms: map[string]term{}, tokens: map[uint64]string{}, wins: map[string]int{}}
}

// granted enters a claim right after Claim returned it. It says whether it is in force at all: the
// answer to a call that took longer than d is worth nothing.
func (l *ledger) granted(t term) bool {
	k := l.k
	l.mu.Lock()
	defer l.mu.Unlock()
	now := k.now()
	if !now.Before(t.until) {
		return false
	}
	for holder, other := range l.terms {
		if holder != t.Holder && now.Before(other.until) {
			k.Errorf("two hold %q at once: %s (token %d) was granted it while %s (token %d) has it for another %v",
				t.Name, t.Holder, t.Token, holder, other.Token, other.until.Sub(now))
		}
	}
	old, extends := l.terms[t.Holder]
	extends = extends && old.Token == t.Token
	l.terms[t.Holder] = t
	if extends {
		return true
	}
	if before, used := l.tokens[t.Token]; used {
		k.Errorf("token %d of %q was given twice: to %s, now to %s", t.Token, t.Name, before, t.Holder)
	} else if t.Token <= l.newest {
		k.Errorf("the token of %q went from %d to %d: it must be greater at every change of holder", t.Name, l.newest, t.Token)
	}
	l.tokens[t.Token] = t.Holder
	l.newest = max(l.newest, t.Token)
	l.wins[t.Holder]++
	return true
}

// ended takes a claim out, right before it is released or when it isn't relied on any more.
func (l *ledger) ended(c claimer.Claim) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.terms[c.Holder].Token == c.Token {
		delete(l.terms, c.Holder)
	}
}

// campaign is one candidate's standing for a ledger's name.
type campaign struct {
	view  claimer.Claimer
	c     claimer.Candidate
	wins  int           // how often it wants the name; then it stops
	hold  time.Duration // how long it keeps it each time, extending it as needed
	quiet bool          // let the last claim run out instead of releasing it
}

// run stands for the name as a tracker does: claim, wait when denied, and so on, until it has won
// as often as it wants or the round has ended.
func (l *ledger) run(g campaign) {
	k := l.k
	for won := 0; won < g.wins; {
		t, err := l.claim(g)
		switch {
		case k.ctx.Err() != nil:
			return
		case err == nil && l.granted(t):
			won++
			if !l.keep(g, t, won) {
				return
			}
		case permanent(err):
			k.Errorf("%s: a good Claim got a permanent error: %v", g.c.Holder, err)
			return
		default:
			pause := k.step
			if g.view.WaitReleased(k.ctx, g.c) == nil {
				pause /= 10
			}
			if !k.nap(pause) {
				return
			}
		}
	}
}

// claim asks once, for at most d: a later answer is worth nothing.
func (l *ledger) claim(g campaign) (term, error) {
	k := l.k
	ctx, cancel := k.timeout(k.ctx, k.d)
	defer cancel()
	before := k.now()
	claim, err := g.view.Claim(ctx, g.c, k.d)
	return term{Claim: claim, view: g.view, since: before, until: before.Add(k.d), at: k.now()}, err
}

// keep holds the name for the campaign's time, then gives it up. It says false if the round ended.
func (l *ledger) keep(g campaign, t term, won int) bool {
	k := l.k
	until := t.at.Add(g.hold)
	for k.now().Before(until) {
		if !k.nap(min(g.hold, k.d/4)) {
			return false
		}
		if g.hold > k.d/4 {
			next, err := l.claim(g)
			if err == nil && l.granted(next) {
				t = next
			}
			if errors.Is(err, claimer.ErrDenied) {
				l.ended(t.Claim)
				return true
			}
			if !k.now().Before(t.until) {
				l.ended(t.Claim)
				return true
			}
		}
	}
	l.ended(t.Claim)
	if g.quiet && won == g.wins {
		return true
	}
	ctx, cancel := k.timeout(k.ctx, k.d)
	defer cancel()
	_ = g.view.Release(ctx, t.Claim)     // if it fails the claim runs out
	return won == g.wins || k.nap(k.d/4) // so that others come before it, also without a queue
}
