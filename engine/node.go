package engine

import (
	"log/slog"
	"time"

	"github.com/juju/worker/v4/dependency"
)

// node runs one manifold's workers, one after another. Its loop runs in a worker of the juju engine
// that hosts it, see seat, and there nothing restarts: that engine keeps some 730 bytes of every start
// (a context that is never cancelled, in a map that each further start scans), backs off from
// ErrBounce as from an error, kills inputs together with their dependents and starts these twice when
// an input restarts. None of that can be mended from outside of a restart there; so all are here.
type node struct {
	g        *graph
	name     string
	manifold dependency.Manifold
	inputs   []string        // without the mark of Optional
	optional map[string]bool // those of inputs that are
	founding bool            // was there from New
	poked    chan struct{}   // room for one: the graph changed, look again

	state State
	since time.Time // of state
	run   *run      // nil: nothing runs

	down    bool     // run is to end
	downWhy lowering // why

	soonest time.Time // when it could have started but for optional inputs that may be up in a moment
	idle    State     // what it waits in without a run: "" starts as soon as the inputs allow; or finished, blocked, backoff
	changed bool      // an input came or went since the last start: ends idle
	until   time.Time

	missing    string // the dependency.ErrMissing of StateBlocked
	missingErr error

	removing    bool          // is to leave the graph
	uninstalled string        // the dependency.ErrUninstall that removed it
	settled     chan struct{} // if not nil: closed when it is stuck or has left the graph
	verdict     State         // at shutdown: StateStuck, or StateRunning if it was left; else empty

	attempts, starts  int
	failures, bounces int // in a row
	cause             cause
	restarts          [3]int // by cause
	lastStart         time.Time
	lastError         string
	lastErrorAt       time.Time
	startTook         time.Duration
	stopTook          time.Duration
	blockedTold       bool // an event said that it is blocked
	lines             []line
}

// cause indexes node.restarts.
type cause int

const (
	causeError cause = iota
	causeInput
	causeBounce
)

func (c cause) public() RestartCause {
	return [...]RestartCause{CauseError, CauseInput, CauseBounce}[c]
}

func causeOf(why lowering) cause {
	if why == byBounce {
		return causeBounce
	}
	return causeInput
}

// startCause is why the present run was started: empty for the first.
func (n *node) startCause() RestartCause {
	if n.attempts < 2 {
		return ""
	}
	return n.cause.public()
}

// loop is the node's life: it returns at shutdown, and when the node has left the graph.
func (n *node) loop() {
	g := n.g
	for {
		now := g.config.Clock.Now()
		g.mu.Lock()
		wake, done := n.step(now)
		lines := n.lines
		n.lines = nil
		g.mu.Unlock()

		for _, l := range lines {
			l.logTo(g.config.Logger, n.name)
		}
		if done {
			return
		}
		n.sleep(wake.Sub(now), !wake.IsZero())
	}
}

// sleep waits for a poke, and no longer than d if it is bounded.
func (n *node) sleep(d time.Duration, bounded bool) {
	if !bounded {
		<-n.poked
		return
	}
	timer := n.g.config.Clock.NewTimer(d)
	defer timer.Stop()
	select {
	case <-n.poked:
	case <-timer.Chan():
	}
}

// poke makes the node look at the graph again. It never blocks.
func (n *node) poke() {
	select {
	case n.poked <- struct{}{}:
	default:
	}
}

// step takes the node as far as it can go now. It returns when to look again at the latest (zero:
// when poked), or that the node has nothing more to do; with the graph's mu held, as all below.
func (n *node) step(now time.Time) (wake time.Time, done bool) {
	if n.run != nil {
		if wake = n.stepRun(n.run, now); n.run != nil {
			return wake, n.verdict != ""
		}
	}
	switch {
	case n.removing:
		n.leave(now)
		return time.Time{}, true
	case n.g.stopping:
		return time.Time{}, true
	}
	return n.stepIdle(now), false
}

// stepRun goes on with a run: it leaves n.run nil if that is over.
func (n *node) stepRun(r *run, now time.Time) (wake time.Time) {
	g := n.g
	switch {
	case n.verdict != "":
		return time.Time{}
	case !n.down:
		return n.stepUp(r, now)
	case !r.killed && g.held(n):
		n.enter(StateStopping, now)
		return time.Time{}
	case g.stopping && g.guarded(r):
		n.verdict = StateRunning // what stands on it goes on in a stuck worker: it is left running
		n.enter(StateRunning, now)
		n.giveUp(r)
		return time.Time{}
	case r.ended:
		n.over(r, now)
		return time.Time{}
	}

	r.kill(now)
	if n.state != StateStuck {
		n.enter(StateStopping, now)
	}
	vacates := r.vacating > 0 && r.users > 0 // all that it waited for in vain is stuck
	timeout := r.killedAt.Add(g.config.StopTimeout)
	switch {
	case r.vacating > 0 && r.users == 0: // Vacate is about to return, and to give it the whole time to stop
	case vacates && g.stopping && !g.held(n):
		n.verdict = StateStopping
		g.left = append(g.left, r)
		n.giveUp(r)
	case now.Before(timeout):
		return timeout
	case vacates:
		n.letGo(r)
	default:
		n.stuck(r, now)
	}
	return time.Time{}
}

// stepUp watches over a run that isn't to stop.
func (n *node) stepUp(r *run, now time.Time) (wake time.Time) {
	if r.worker != nil || r.slow {
		return time.Time{}
	}
	if at := r.began.Add(n.g.config.StopTimeout); now.Before(at) {
		return at
	}
	r.slow = true
	n.say(slog.LevelWarn, "its Start takes long", "so_far", now.Sub(r.began))
	return time.Time{}
}

// stuck gives a run up that doesn't stop.
func (n *node) stuck(r *run, now time.Time) {
	if n.state != StateStuck {
		n.enter(StateStuck, now)
		what := "its worker ignores Kill"
		if r.worker == nil {
			what = "its Start doesn't return though its context ended"
		}
		n.say(slog.LevelError, "stuck: "+what+"; going on without it", "since", now.Sub(r.killedAt))
		n.settle()
	}
	if n.g.stopping {
		n.verdict = StateStuck
	}
	n.letGo(r)
}

// letGo makes nobody wait for a run any more.
func (n *node) letGo(r *run) {
	if !r.letGo || n.verdict != "" {
		r.letGo = true
		n.giveUp(r)
	}
}

// giveUp makes those look again that wait for a run; nobody does any more.
func (n *node) giveUp(r *run) {
	if !r.lingers {
		r.lingers = true
		n.g.lingering++
	}
	n.g.pokeAll()
}

// givenUp says whether inputs go on without the node's run. At shutdown all is decided anew, so that
// what a stuck worker guards is left before anything it stands on is killed.
func (n *node) givenUp() bool {
	if n.g.stopping {
		return n.verdict != ""
	}
	return n.run.letGo
}

// guarded says whether a run that is left running stands on r.
func (g *graph) guarded(r *run) bool {
	for _, left := range g.left {
		if left.standsOn(r, map[*run]bool{}) {
			return true
		}
	}
	return false
}

// over ends the time of a run.
func (n *node) over(r *run, now time.Time) {
	if n.state == StateStuck {
		n.say(slog.LevelInfo, "what was stuck has ended", "after", n.stopTook)
	}
	n.run, n.down = nil, false
	if r.users > 0 {
		r.pokeInputs(map[*run]bool{}) // they needn't wait for it, only for what is stuck
	}
	if n.g.stopping {
		n.enter(StateFinished, now)
	}
}

// stepIdle starts the node if it may.
func (n *node) stepIdle(now time.Time) (wake time.Time) {
	if n.changed {
		n.changed, n.idle, n.missing, n.missingErr = false, "", "", nil
	}
	switch {
	case n.lacks() || n.idle == StateBlocked:
		n.rest(StateBlocked, now)
		if !n.blockedTold {
			n.blockedTold = true
			n.g.publish(Event{Kind: EventBlocked, Node: n.name, At: now, Err: n.missingErr})
		}
		return time.Time{}
	case n.idle == StateFinished:
		n.rest(StateFinished, now)
		return time.Time{}
	case n.idle == StateBackoff && now.Before(n.until):
		n.rest(StateBackoff, now)
		return n.until
	}
	if wake, soon := n.awaitsOptional(now); soon {
		n.enter(StateBlocked, now)
		return wake
	}
	n.begin(now)
	return now.Add(n.g.config.StopTimeout)
}

// rest enters a state in which the node couldn't start.
func (n *node) rest(state State, now time.Time) {
	n.enter(state, now)
	n.soonest = time.Time{}
}

// leave takes the node out of the graph. What uninstalled itself leaves its remains to be seen, if
// it was there from New or somebody depends on it: so they are bounded.
func (n *node) leave(now time.Time) {
	n.enter(StateRemoved, now)
	n.settle()
	if n.uninstalled == "" || !n.founding && len(n.g.dependents[n.name]) == 0 {
		n.g.forget(n)
	}
}

// settle wakes those that wait for the node to be stuck or gone.
func (n *node) settle() {
	if n.settled != nil {
		close(n.settled)
		n.settled = nil
	}
}

func (n *node) enter(state State, now time.Time) {
	if n.state != state {
		n.state, n.since = state, now
	}
}

// say queues a line for the log.
func (n *node) say(level slog.Level, text string, args ...any) {
	n.lines = append(n.lines, line{level, text, args})
}
