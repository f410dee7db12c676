package engine

import (
	"context"
	"slices"
	"sync/atomic"
	"time"

	"github.com/juju/worker/v4"
)

// run is one Start of a manifold and the worker that came of it. Its goroutine calls Start and Wait,
// so that the node's own can go on without it.
//
// A run is released once it has ended and nothing that lives stands on it any more. So users counts
// the runs that stand on it directly and aren't released: it is 0 exactly when nothing alive stands
// on it, directly or through others that may have ended already.
type run struct {
	n      *node
	inputs []*run // by the node's inputs; nil: wasn't up. nil as a whole once released
	began  time.Time
	cancel context.CancelFunc // ends the context of Start

	worker worker.Worker // once Start returned one
	flag   *bool         // of a Flag: its value
	up     bool          // the worker serves dependents, or did
	users  int

	killed   bool // asked to stop: the context has ended, and Kill is called once there is a worker
	killedAt time.Time
	waited   bool          // Wait returned: no need of Kill any more
	killDone chan struct{} // closed when Kill has returned
	letGo    bool          // didn't stop in time: inputs don't wait for it
	lingers  bool          // is counted in graph.lingering
	slow     bool          // Start was warned of
	ended    bool

	vacating int           // calls of Vacate under way
	vacated  chan struct{} // if not nil: closed when users falls to 0

	call      *reportCall // the Report under way
	panicTold atomic.Bool // a panic of Report or Reason was logged; not guarded
}

// uses says whether r stands on another run directly; with the graph's mu held.
func (r *run) uses(other *run) bool { return slices.Contains(r.inputs, other) }

// standsOn says whether r stands on another run, directly or through others, but for those in seen,
// which don't: they are all that were asked before. With the graph's mu held.
func (r *run) standsOn(other *run, seen map[*run]bool) bool {
	for _, in := range r.inputs {
		if in == nil || seen[in] {
			continue
		}
		if in == other {
			return true
		}
		seen[in] = true
		if in.standsOn(other, seen) {
			return true
		}
	}
	return false
}

// pokeInputs makes those look again that may have waited for r: its inputs, and what these stand on
// if nobody waits for them any more; with the graph's mu held.
func (r *run) pokeInputs(seen map[*run]bool) {
	for _, in := range r.inputs {
		if in == nil || seen[in] {
			continue
		}
		seen[in] = true
		in.n.poke()
		if in.ended || in.n.givenUp() {
			in.pokeInputs(seen)
		}
	}
}

// begin starts a node's next run; with the graph's mu held.
func (n *node) begin(now time.Time) {
	r := &run{n: n, began: now}
	if len(n.inputs) > 0 {
		r.inputs = make([]*run, len(n.inputs))
		for i, input := range n.inputs {
			if x := n.g.nodes[input]; x != nil && x.isUp() {
				r.inputs[i] = x.run
				x.run.users++
			}
		}
	}
	if n.attempts > 0 {
		n.restarts[n.cause]++
	}
	n.attempts++
	n.run, n.down, n.changed, n.idle, n.missing = r, false, false, "", ""
	n.soonest, n.blockedTold = time.Time{}, false
	n.enter(StateStarting, now)
	var ctx context.Context
	ctx, r.cancel = context.WithCancel(runContext{context.Background(), r})
	go r.main(ctx)
}

// main is the run's goroutine.
func (r *run) main(ctx context.Context) {
	err := errGoexit
	started, waited := false, false
	var w worker.Worker
	defer func() {
		if started && !waited {
			r.abandon(w)
		}
		r.end(err, started)
	}()

	g, n := r.n.g, r.n
	var startErr error
	get := &getter{r: r}
	panicked := guard("Start", func() { w, startErr = n.manifold.Start(ctx, get) })
	get.expired.Store(true)
	switch {
	case panicked != nil:
		err = panicked
		return
	case startErr != nil:
		err = startErr
		return
	case w == nil:
		err = errNilWorker
		return
	}
	started = true

	var flag *bool
	var flagErr error
	if f, ok := w.(Flag); ok {
		flag = new(bool)
		flagErr = guard("Check", func() { *flag = f.Check() })
	}
	r.gotWorker(w, flag, flagErr, g.config.Clock.Now())
	var waitErr error
	panicked = guard("Wait", func() { waitErr = w.Wait() })
	waited = panicked == nil
	switch {
	case flagErr != nil:
		err = flagErr
	case panicked != nil:
		err = panicked
	default:
		err = waitErr
	}
}

// gotWorker puts the worker of a Start that has returned to use, or stops it.
func (r *run) gotWorker(w worker.Worker, flag *bool, flagErr error, now time.Time) {
	g, n := r.n.g, r.n
	g.mu.Lock()
	r.worker, r.flag = w, flag
	n.startTook = now.Sub(r.began)
	if g.times != nil {
		g.times.start.Observe(n.startTook.Seconds())
	}
	switch {
	case flagErr != nil:
		r.flag = nil
		g.lower(n, byItself)
		r.kill(now)
	case r.killed: // in the meantime
		r.callKill()
		if !r.letGo {
			r.killedAt = now // the worker gets the whole time to stop
			n.poke()
		}
	case n.down: // its node is about to kill it
	default:
		r.up = true
		n.starts++
		n.lastStart = now
		n.enter(StateRunning, now)
		g.publish(Event{Kind: EventStarted, Node: n.name, At: now, Cause: n.startCause()})
		g.raised(n)
		n.poke() // its timer for a Start that takes long
	}
	up, took := r.up, n.startTook
	g.mu.Unlock()
	if up {
		g.config.Logger.Info("started", "manifold", n.name, "took", took)
	}
}

// abandon kills a worker that can't be waited for, since its Wait or Check panicked.
func (r *run) abandon(w worker.Worker) {
	g := r.n.g
	g.mu.Lock()
	defer g.mu.Unlock()
	r.worker = w
	r.callKill()
}

// kill asks the run to stop; with the graph's mu held.
func (r *run) kill(now time.Time) {
	if r.killed {
		return
	}
	r.killed, r.killedAt = true, now
	r.cancel()
	r.callKill()
}

// callKill calls the worker's Kill, which may block or panic, elsewhere; with the graph's mu held.
func (r *run) callKill() {
	if r.worker == nil || r.waited || r.killDone != nil {
		return
	}
	done := make(chan struct{})
	r.killDone = done
	go func() {
		defer close(done)
		if err := guard("Kill", r.worker.Kill); err != nil {
			r.n.g.failed(r.n, err)
		}
	}()
}

// release tells the inputs that nothing lives on this run any more, if that is so; with the graph's
// mu held.
func (r *run) release() {
	if !r.ended || r.users > 0 {
		return
	}
	inputs := r.inputs
	r.inputs = nil
	if r.lingers {
		r.n.g.lingering--
	}
	for _, in := range inputs {
		if in == nil {
			continue
		}
		if in.users--; in.users > 0 {
			continue
		}
		if in.vacated != nil {
			close(in.vacated)
			in.vacated = nil
		}
		in.n.poke()
		in.release()
	}
}
