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

	mu      sync.Mutex
	waiting bool         // this agent campaigns
	view    claimer.View // the latest
	told    uint64       // the token of the leader that was told last
	reason  string       // the reason to wait that was told last
	stale   bool         // an outage was told
}

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
	var denied *claimer.DeniedError
	if errors.As(err, &denied) && denied.Holder == nil && denied.AtMost > 0 {
		o.news.denied(denied)
	}
	return claim, err
}

func (a *announcer) denied(d *claimer.DeniedError) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if d.Reason == a.reason {
		return
	}
	a.reason = d.Reason
	a.r.line("not-yet", say.Line{AtMost: d.AtMost.Seconds()}, "nobody can lead %s yet, for at most %s: %s", a.r.Election, say.Length(d.AtMost), d.Reason)
}

// campaigning says whether the agent waits for leadership from now on.
func (a *announcer) campaigning(waiting bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.waiting, a.told, a.reason = waiting, 0, ""
	a.tell()
}

func (a *announcer) see(v claimer.View) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.view = v
	switch {
	case v.Stale != nil && !a.stale:
		a.stale = true
		what := "waiting for it to answer"
		if !a.waiting {
			what = "the command goes on for as long as the leadership surely lasts"
		}
		a.r.line("store-lost", say.Line{}, "the store can't be reached (%v): %s", v.Stale, what)
	case v.Stale == nil && a.stale:
		a.stale = false
		a.r.line("store-back", say.Line{}, "the store answers again")
	}
	a.tell()
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
	switch {
	case a.view.Stale != nil:
		return fmt.Sprintf(": the store can't be reached (%v)", a.view.Stale)
	case !ok:
		return ""
	}
	return fmt.Sprintf(": %s leads (token %d)", claimer.DisplayHolder(leader.Holder), leader.Token)
}

// whyLost gives the reason for a loss, if it is known.
func (a *announcer) whyLost() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.view.Stale != nil {
		return fmt.Sprintf(": the store can't be reached (%v)", a.view.Stale)
	}
	return ""
}
