package running

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/muster-go/muster/claimer"
	"github.com/muster-go/muster/cmd/agent/internal/say"
)

// announcer watches the election and tells, on changes only, whom or what this agent waits for, and
// when the store can't be reached.
type announcer struct {
	r *runner

	mu       sync.Mutex
	waiting  bool         // this agent campaigns
	view     claimer.View // the latest
	told     uint64       // the token of the leader that was told last
	reason   string       // the reason to wait that was told last
	failures int          // claims in a row that told nothing
	failed   error        // the latest of them
	outage   bool         // an outage was told
	lost     bool         // the leadership is over, and the command about to be
}

// manyFailures is how many claims in a row must fail until that counts as an outage: one alone may
// be a hiccup, or have been called off.
const manyFailures = 2

// start watches until the returned function is called.
func (a *announcer) start() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var loop sync.WaitGroup
	loop.Go(func() {
		// Only announcements depend on it; what ends it for good ends the tracker too, which says so.
		_ = a.r.Queue.Watch(ctx, a.r.Election, a.see)
	})
	return func() {
		cancel()
		loop.Wait()
	}
}

// overheard is the queue, with the reasons of its denials told: nobody leads in a store that may
// have been wiped under living leaders, and who waits for that wants to know.
type overheard struct {
	*claimer.Queue
	news *announcer
}

// Claim implements claimer.Claimer.
func (o overheard) Claim(ctx context.Context, c claimer.Candidate, d time.Duration) (claimer.Claim, error) {
	claim, err := o.Queue.Claim(ctx, c, d)
	o.news.claimed(err)
	return claim, err
}

// claimed hears what became of a claim.
func (a *announcer) claimed(err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	var denied *claimer.DeniedError
	switch {
	case err == nil, errors.As(err, &denied) && (denied.Holder != nil || denied.AtMost > 0):
		a.failures = 0
	case denied == nil: // other denials are made here, without the store
		a.failures, a.failed = a.failures+1, err
	}
	a.tellOutage()
	if denied != nil && denied.Holder == nil && denied.AtMost > 0 && denied.Reason != a.reason {
		a.reason = denied.Reason
		a.r.line("not-yet", say.Line{AtMost: denied.AtMost.Seconds()}, "nobody can lead %s yet, for at most %s: %s",
			a.r.Election, say.Length(denied.AtMost), denied.Reason)
	}
}

// campaigning says whether the agent waits for leadership from now on.
func (a *announcer) campaigning(waiting bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.waiting, a.lost, a.told, a.reason = waiting, false, 0, ""
	a.tell()
}

func (a *announcer) see(v claimer.View) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.view = v
	a.tellOutage()
	a.tell()
}

// down gives why the store can't be reached; nil if it can, for all that is known. With the lock held.
func (a *announcer) down() error {
	switch {
	case a.view.Stale != nil:
		return a.view.Stale
	case a.failures < manyFailures:
		return nil
	case errors.Is(a.failed, context.Canceled), errors.Is(a.failed, context.DeadlineExceeded):
		return errors.New("no answer")
	}
	return a.failed
}

// tellOutage tells the beginning and the end of an outage; with the lock held.
func (a *announcer) tellOutage() {
	down := a.down()
	if a.outage == (down != nil) {
		return
	}
	a.outage = down != nil
	switch {
	case !a.outage:
		a.r.line("store-back", say.Line{}, "the store answers again")
	case a.waiting, a.lost:
		a.r.line("store-lost", say.Line{}, "the store can't be reached (%v): waiting for it to answer", down)
	default:
		a.r.line("store-lost", say.Line{}, "the store can't be reached (%v): the command goes on for as long as the leadership surely lasts", down)
	}
}

// tell says for whom the agent waits, if that is new and it stands in the queue; with the lock held.
func (a *announcer) tell() {
	leader, ok := a.leader()
	self := a.r.worker.Candidate().Holder
	place := slices.IndexFunc(a.view.Candidates, func(s claimer.Standing) bool { return s.Holder == self })
	if !a.waiting || !ok || place <= 0 || leader.Token == a.told {
		return
	}
	a.told = leader.Token
	name, worst := claimer.DisplayHolder(leader.Holder), a.r.Limits.WorstFailover(leader.TTL)
	pid, _ := strconv.Atoi(leader.Attributes["pid"]) // 0, which is left out, if it didn't say
	a.r.line("waiting", say.Line{Holder: name, Token: leader.Token, PID: pid, AtMost: worst.Seconds()},
		"waiting for %s (token %d): at most %s after it stops answering", name, leader.Token, say.Length(worst))
}

// leader is who knows that it leads; with the lock held.
func (a *announcer) leader() (claimer.Standing, bool) {
	if len(a.view.Candidates) == 0 || !a.view.Candidates[0].Confirmed {
		return claimer.Standing{}, false
	}
	return a.view.Candidates[0], true
}

// whoLeads gives what an error about waiting in vain adds.
func (a *announcer) whoLeads() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	leader, ok := a.leader()
	switch down := a.down(); {
	case down != nil:
		return fmt.Sprintf(": the store can't be reached (%v)", down)
	case !ok:
		return ""
	}
	return fmt.Sprintf(": %s leads (token %d)", claimer.DisplayHolder(leader.Holder), leader.Token)
}

// whyLost gives the reason for a loss, if it is known. Of an outage that follows it is not said any
// more that the command goes on.
func (a *announcer) whyLost() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.lost = true
	if down := a.down(); down != nil {
		return fmt.Sprintf(": the store can't be reached (%v)", down)
	}
	return ""
}
