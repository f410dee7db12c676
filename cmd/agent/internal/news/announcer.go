package news

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
	"github.com/muster-go/muster/store"
)

// Config says what an Announcer tells of, and to whom. The functions are called with its lock held:
// they must not call it.
type Config struct {
	Election string
	// Limits are the store's.
	Limits func() store.Limits
	// Mine says whether a standing is this agent's own.
	Mine func(claimer.Standing) bool
	// Say gets what is to be told.
	Say func(event string, l say.Line, format string, args ...any)
	// Outage hears of the beginning of an outage, with its reason and whether a leadership was had,
	// and of its end, with nil.
	Outage func(down error, led bool)
}

// Announcer hears what becomes of an election, and tells it. It campaigns at first.
type Announcer struct {
	cfg Config

	mu       sync.Mutex
	leading  bool         // this agent leads, as far as it was told
	view     claimer.View // the latest
	told     uint64       // the token of the leader that was told last
	reason   string       // the reason to wait that was told last
	failures int          // claims in a row that told nothing
	failed   error        // the latest of them
	outage   bool         // an outage was told
	lost     bool         // the leadership is over, and its work about to be
}

// New makes an Announcer.
func New(cfg Config) *Announcer { return &Announcer{cfg: cfg} }

// manyFailures is how many claims in a row must fail until that counts as an outage: one alone may
// be a hiccup, or have been called off.
const manyFailures = 2

// Overheard is a queue with the outcomes of its claims told: nobody leads in a store that may have
// been wiped under living leaders, and who waits for that wants to know.
type Overheard struct {
	*claimer.Queue
	Hear func(election string, err error)
}

// Claim implements claimer.Claimer.
func (o Overheard) Claim(ctx context.Context, c claimer.Candidate, d time.Duration) (claimer.Claim, error) {
	claim, err := o.Queue.Claim(ctx, c, d)
	o.Hear(c.Name, err)
	return claim, err
}

// Claimed hears what became of a claim.
func (a *Announcer) Claimed(err error) {
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
		a.cfg.Say("not-yet", say.Line{AtMost: denied.AtMost.Seconds()}, "nobody can lead %s yet, for at most %s: %s",
			a.cfg.Election, say.Length(denied.AtMost), denied.Reason)
	}
}

// Campaigning says whether the agent waits for leadership from now on, or else has it.
func (a *Announcer) Campaigning(waiting bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.leading, a.lost, a.told, a.reason = !waiting, false, 0, ""
	a.tell()
}

// See hears how the election is by now.
func (a *Announcer) See(v claimer.View) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.view = v
	a.tellOutage()
	a.tell()
}

// View is what See heard last.
func (a *Announcer) View() claimer.View {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.view
}

// Down gives why the store can't be reached; nil if it can, for all that is known.
func (a *Announcer) Down() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.down()
}

func (a *Announcer) down() error {
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
func (a *Announcer) tellOutage() {
	down := a.down()
	if a.outage == (down != nil) {
		return
	}
	a.outage = down != nil
	a.cfg.Outage(down, a.leading && !a.lost)
}

// tell says for whom the agent waits, if that is new and it stands in the queue; with the lock held.
func (a *Announcer) tell() {
	leader, ok := a.leader()
	place := slices.IndexFunc(a.view.Candidates, a.cfg.Mine)
	if a.leading || !ok || place <= 0 || leader.Token == a.told {
		return
	}
	a.told = leader.Token
	name, worst := claimer.DisplayHolder(leader.Holder), a.cfg.Limits().WorstFailover(leader.TTL)
	pid, _ := strconv.Atoi(leader.Attributes["pid"]) // 0, which is left out, if it didn't say
	a.cfg.Say("waiting", say.Line{Holder: name, Token: leader.Token, PID: pid, AtMost: worst.Seconds()},
		"waiting for %s (token %d): at most %s after it stops answering", name, leader.Token, say.Length(worst))
}

// leader is who knows that it leads; with the lock held.
func (a *Announcer) leader() (claimer.Standing, bool) {
	if len(a.view.Candidates) == 0 || !a.view.Candidates[0].Confirmed {
		return claimer.Standing{}, false
	}
	return a.view.Candidates[0], true
}

// WhoLeads gives what an error about waiting in vain adds.
func (a *Announcer) WhoLeads() string {
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

// WhyLost gives the reason for a loss, if it is known. Of an outage that follows it is not said any
// more that the command goes on.
func (a *Announcer) WhyLost() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.lost = true
	if down := a.down(); down != nil {
		return fmt.Sprintf(": the store can't be reached (%v)", down)
	}
	return ""
}
