package scenario_test

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/claimer"
)

// spell is one run of guarded work. All times are of one clock.
type spell struct {
	who     string
	token   uint64
	start   time.Time // the work's first act
	allowed time.Time // the latest moment of which it is known that its context had not ended
	ended   time.Time // when it knew that its context had ended; zero: it runs
}

// ledger notes the spells of one election.
type ledger struct {
	t   *testing.T
	lag *lag

	mu     sync.Mutex
	spells []*spell
}

func newLedger(t *testing.T) *ledger {
	l := &ledger{t: t, lag: newLag(t)}
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(l)
		}
	})
	return l
}

// work is guarded work that does nothing but look at its context, over and over.
func (l *ledger) work(ctx context.Context, claim claimer.Claim) error {
	who, _, _ := strings.Cut(claim.Holder, "#")
	s := &spell{who: who, token: claim.Token, start: time.Now()}
	s.allowed = s.start
	l.mu.Lock()
	l.spells = append(l.spells, s)
	l.mu.Unlock()
	ticker := time.NewTicker(pollTime)
	defer ticker.Stop()
	for {
		now := time.Now()
		if ctx.Err() != nil {
			break
		}
		l.mu.Lock()
		s.allowed = now
		l.mu.Unlock()
		select {
		case <-ctx.Done():
		case <-ticker.C:
		}
	}
	l.mu.Lock()
	s.ended = time.Now()
	l.mu.Unlock()
	return ctx.Err()
}

// all gives a copy of the spells in the order of their beginnings.
func (l *ledger) all() []spell {
	l.mu.Lock()
	defer l.mu.Unlock()
	var spells []spell
	for _, s := range l.spells {
		spells = append(spells, *s)
	}
	slices.SortFunc(spells, func(a, b spell) int { return a.start.Compare(b.start) })
	return spells
}

// running gives the spells that have not ended.
func (l *ledger) running() []spell {
	return slices.DeleteFunc(l.all(), func(s spell) bool { return !s.ended.IsZero() })
}

// leads waits until somebody whom the filter wants leads, by a spell that began after a moment, and
// gives that spell.
func (l *ledger) leads(after time.Time, wanted func(who string) bool) spell {
	l.t.Helper()
	var found spell
	require.Eventually(l.t, func() bool {
		for _, s := range l.running() {
			if s.start.After(after) && wanted(s.who) {
				found = s
				return true
			}
		}
		return false
	}, patience, pollTime, "nobody leads who should")
	return found
}

// anybody wants no one in particular.
func anybody(string) bool { return true }

// not wants anybody else.
func not(who string) func(string) bool { return func(other string) bool { return other != who } }

// only wants one.
func only(who string) func(string) bool { return func(other string) bool { return other == who } }

// verify checks that no two spells overlapped and that tokens rose.
//
// A context's Err compares the clock, so no spell may have been allowed anything once the next one
// began. That it knew by its context's Done too may be later by what this machine makes goroutines
// wait.
func (l *ledger) verify(atLeast int) {
	l.t.Helper()
	spells := l.all()
	assert.GreaterOrEqual(l.t, len(spells), atLeast, "spells")
	grace := 20*time.Millisecond + 2*l.lag.worst()
	for i, s := range spells {
		for _, before := range spells[:i] {
			overlap := before.allowed.Sub(s.start)
			assert.LessOrEqual(l.t, overlap, time.Duration(0), "token %d of %s was still allowed to work when token %d of %s began", before.token, before.who, s.token, s.who)
			if before.ended.IsZero() {
				assert.Fail(l.t, "two lead", "%s with token %d and %s with token %d", before.who, before.token, s.who, s.token)
			} else {
				assert.LessOrEqual(l.t, before.ended.Sub(s.start), grace, "token %d of %s didn't know that its time was over when token %d of %s began", before.token, before.who, s.token, s.who)
			}
		}
		if i > 0 {
			if before := spells[i-1]; before.who == s.who {
				// A lease that was lost and found again goes on with the claim that it had.
				assert.LessOrEqual(l.t, before.token, s.token, "tokens don't fall")
			} else {
				assert.Less(l.t, before.token, s.token, "tokens rise")
			}
		}
	}
}

// String lists the spells.
func (l *ledger) String() string {
	spells := l.all()
	if len(spells) == 0 {
		return "no spells"
	}
	var lines []string
	first := spells[0].start
	for _, s := range spells {
		end := "still leads"
		if !s.ended.IsZero() {
			end = fmt.Sprintf("allowed until %8.3f s, over at %8.3f s", s.allowed.Sub(first).Seconds(), s.ended.Sub(first).Seconds())
		}
		lines = append(lines, fmt.Sprintf("%-10s token %4d from %8.3f s, %s", s.who, s.token, s.start.Sub(first).Seconds(), end))
	}
	return fmt.Sprintf("spells (goroutines waited up to %v):\n%s", l.lag.worst(), strings.Join(lines, "\n"))
}

// lag measures for how long this machine makes a goroutine wait that could run.
type lag struct {
	mu  sync.Mutex
	max time.Duration
}

func newLag(t *testing.T) *lag {
	l := &lag{}
	over := make(chan struct{})
	var loop sync.WaitGroup
	loop.Go(func() {
		ticker := time.NewTicker(pollTime)
		defer ticker.Stop()
		for last := time.Now(); ; {
			select {
			case <-ticker.C:
			case <-over:
				return
			}
			now := time.Now()
			l.mu.Lock()
			l.max = max(l.max, now.Sub(last)-pollTime)
			l.mu.Unlock()
			last = now
		}
	})
	t.Cleanup(func() {
		close(over)
		loop.Wait()
	})
	return l
}

func (l *lag) worst() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return cmp.Or(l.max, time.Nanosecond)
}

// end gives when the spell knew that it was over; zero: it isn't.
func (l *ledger) end(who string, token uint64) time.Time {
	var end time.Time
	for _, s := range l.all() {
		if s.who == who && s.token == token {
			end = s.ended
		}
	}
	return end
}

// over waits until a spell is over.
func (l *ledger) over(who string, token uint64) {
	l.t.Helper()
	require.Eventually(l.t, func() bool { return !l.end(who, token).IsZero() }, patience, pollTime, "%s still works with token %d", who, token)
}
