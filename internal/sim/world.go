package sim

import (
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/muster-go/muster/store/memstore"
)

// Epoch is the reading of the true clock at the beginning.
var Epoch = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)

// Config is what a World is made of.
type Config struct {
	Seed uint64
	// Settle returns when every other goroutine of the World waits for it: synctest.Wait.
	Settle func()
	// Log gets every line as it happens, those of single messages too. Default: they are only hashed,
	// and lines that are no single message's are kept for Fail.
	Log io.Writer
}

// World is one course of events. Its methods are for the goroutine that steps it, in which all
// functions run that it is given; those of clocks and drivers are for any.
type World struct {
	cfg     Config
	service *memstore.Service
	truth   *Clock
	checks  []func()
	calm    bool

	now atomic.Int64 // true time since Epoch

	mu        sync.Mutex // also guards what processes and calls have in the queue
	queue     queue
	seq       uint64
	processes []*Process

	log  log
	fail string
}

// New makes a World with an empty store and no processes.
func New(cfg Config) *World {
	w := &World{cfg: cfg}
	w.log.out = cfg.Log
	w.truth = &Clock{w: w, rate: perMille, start: Epoch}
	w.service = memstore.NewService(w.truth)
	return w
}

// Service is the store, for its levers.
func (w *World) Service() *memstore.Service { return w.service }

// Now is true time since the beginning.
func (w *World) Now() time.Duration { return time.Duration(w.now.Load()) }

// Check has f called after each step. It must not block, nor change what it looks at.
func (w *World) Check(f func()) { w.checks = append(w.checks, f) }

// After has f called in the stepping goroutine, d from now.
func (w *World) After(d time.Duration, f func()) { w.schedule(nil, w.now.Load()+int64(d), f) }

// Calm ends what is random in the network but short delays: from now on nothing is lost, hung or
// repeated, and every watch is connected anew. Requests that hang go on doing so if hang says so, and
// fail otherwise.
func (w *World) Calm(hang bool) {
	w.calm = true
	for _, p := range w.Processes() {
		p.Resume()
		p.SetWeather(Weather{})
		p.CutWatches()
		if !hang {
			p.failHung()
		}
	}
}

// Processes gives those that were started and not killed, in the order of their starts.
func (w *World) Processes() []*Process {
	var alive []*Process
	for _, p := range w.processes {
		if !p.Dead() {
			alive = append(alive, p)
		}
	}
	return alive
}

// Note adds a line to the log. It may be called from any goroutine.
func (w *World) Note(who, format string, args ...any) {
	w.log.note(w.Now(), who, fmt.Sprintf(format, args...))
}

// message notes one message, which is worth a line only where every line is wanted.
func (w *World) message(who, what, key string, err error) {
	w.log.message(w.Now(), who, what, key, err)
}

// Fail says that a promise was broken; the first one counts.
func (w *World) Fail(format string, args ...any) {
	if w.fail == "" {
		w.fail = fmt.Sprintf(format, args...)
		w.Note("FAILED", "%s", w.fail)
	}
}

// Failed tells what was broken first; empty if nothing was.
func (w *World) Failed() string { return w.fail }

// Lines gives the log that is kept.
func (w *World) Lines() []string { return w.log.format() }

// Hash is of everything that happened so far, single messages too. What happens in one step counts
// in any order.
func (w *World) Hash() uint64 { return w.log.hash }

// Steps counts what happened.
func (w *World) Steps() int { return w.log.steps }

// Step does what comes next, and checks. It reports false if nothing will ever happen.
func (w *World) Step() bool {
	w.mu.Lock()
	e := w.queue.pop()
	if e == nil {
		w.mu.Unlock()
		return false
	}
	if p := e.owner; p != nil && p.paused && !p.Dead() {
		p.kept = append(p.kept, e)
		w.mu.Unlock()
		return true
	}
	w.now.Store(max(e.at, w.now.Load()))
	w.mu.Unlock()
	e.run()
	w.rest()
	return true
}

// Run steps until done says so, or until d has passed, or a check has failed. It reports whether done
// ended it.
func (w *World) Run(d time.Duration, done func() bool) bool {
	end := false
	w.After(d, func() { end = true })
	w.rest()
	for !end && w.fail == "" {
		if done != nil && done() {
			return true
		}
		w.Step()
	}
	return false
}

// rest waits until all goroutines have come to rest, and checks.
func (w *World) rest() {
	w.cfg.Settle()
	w.log.seal()
	for _, check := range w.checks {
		check()
	}
}

// schedule puts f into the queue.
func (w *World) schedule(owner *Process, at int64, f func()) *event {
	e := &event{owner: owner, run: f}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.put(e, at)
	return e
}

// put is schedule for an event that was made already; with the lock held.
func (w *World) put(e *event, at int64) {
	w.seq++
	e.at, e.seq = at, w.seq
	w.queue.push(e)
}

// cancel takes an event back; false if it has happened.
func (w *World) cancel(e *event) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if e.index >= 0 {
		w.queue.remove(e)
		return true
	}
	if e.owner != nil {
		return e.owner.forget(e)
	}
	return false
}
