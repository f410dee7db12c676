package sim

import (
	"context"
	"io"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/muster-go/muster/store"
)

// Process is one of the fleet, with a clock, a network and chance of its own.
type Process struct {
	Name string

	w     *World
	index int
	clock *Clock
	net   *network

	ctx     context.Context // ends with Kill
	cancel  context.CancelFunc
	work    sync.WaitGroup
	resumed time.Duration // when it was resumed last

	// with the World's lock
	paused  bool
	kept    []*event // what was due while it was paused
	resumes *rand.Rand
}

// Start starts a process. Its clock runs at rate per mille of true time, and shows whatever.
func (w *World) Start(name string, rate int64) *Process {
	chance := w.Chance(name, "clock")
	p := &Process{Name: name, w: w, index: len(w.processes), resumes: w.Chance(name, "resume")}
	p.clock = &Clock{
		w: w, owner: p, rate: rate, begin: w.now.Load(), salt: chance.Uint64(),
		start: Epoch.Add(time.Duration(chance.Int64N(int64(1000 * time.Hour)))),
	}
	p.net = newNetwork(p)
	p.ctx, p.cancel = context.WithCancel(context.Background())
	w.mu.Lock()
	w.processes = append(w.processes, p)
	w.mu.Unlock()
	w.Note(name, "starts, its clock at %d ‰", rate)
	return p
}

// Clock is the process's.
func (p *Process) Clock() store.Clock { return p.clock }

// Driver gives a new client of the store, over the process's network. Those of every second process
// are store.PairListers.
func (p *Process) Driver() store.Driver {
	d := newDriver(p.net, p.w.service.Open())
	if p.index%2 == 0 {
		return pairing{d}
	}
	return d
}

// Rand gives a source of random bytes for many goroutines of the process.
func (p *Process) Rand(name string) io.Reader { return newReader(derive(p.w.cfg.Seed, p.Name, name)) }

// Chance gives a stream of the process's, for one goroutine.
func (p *Process) Chance(name string) *rand.Rand { return p.w.Chance(p.Name, name) }

// Context ends when the process is killed.
func (p *Process) Context() context.Context { return p.ctx }

// Go runs f in a goroutine of the process; Wait waits for it.
func (p *Process) Go(f func(ctx context.Context)) { p.work.Go(func() { f(p.ctx) }) }

// Wait waits for the goroutines of Go.
func (p *Process) Wait() { p.work.Wait() }

// Sleep waits on the process's clock; false if ctx ended first.
func (p *Process) Sleep(ctx context.Context, d time.Duration) bool {
	t := p.clock.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.Chan():
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}

// Note adds a line to the log; nothing once the process is dead.
func (p *Process) Note(format string, args ...any) {
	if !p.Dead() {
		p.w.Note(p.Name, format, args...)
	}
}

// Pause freezes the process, as SIGSTOP does. Pausing twice is harmless.
func (p *Process) Pause() {
	p.w.mu.Lock()
	defer p.w.mu.Unlock()
	p.paused = true
}

// Resume ends a Pause: what was due meanwhile happens now, in random order.
func (p *Process) Resume() {
	p.w.mu.Lock()
	defer p.w.mu.Unlock()
	if !p.paused {
		return
	}
	p.paused = false
	p.resumed = p.w.Now()
	kept := p.kept
	p.kept = nil
	at := p.w.now.Load()
	r := p.resumes
	for _, i := range r.Perm(len(kept)) {
		at += 1 + r.Int64N(int64(50*time.Microsecond))
		p.w.put(kept[i], at)
	}
}

// Paused tells whether the process is frozen.
func (p *Process) Paused() bool {
	p.w.mu.Lock()
	defer p.w.mu.Unlock()
	return p.paused
}

// Running tells whether the process has not been frozen for d.
func (p *Process) Running(d time.Duration) bool {
	p.w.mu.Lock()
	defer p.w.mu.Unlock()
	return !p.paused && (p.resumed == 0 || p.w.Now() >= p.resumed+d)
}

// Kill ends the process at once: nothing is sent or delivered any more, and Context ends. Its
// goroutines then find every request refused with store.ErrClosed, and come to their ends.
func (p *Process) Kill() {
	if p.Dead() {
		return
	}
	p.Note("killed")
	p.cancel()
	p.net.kill()
	p.Resume()
}

// Seen is the greatest revision that the process was told of by reads of a folder, or in it.
func (p *Process) Seen(prefix string) uint64 {
	p.net.mu.Lock()
	defer p.net.mu.Unlock()
	return p.net.seen[prefix]
}

// Dead tells whether the process was killed.
func (p *Process) Dead() bool { return p.ctx.Err() != nil }

// forget takes back an event that was kept; with the World's lock held.
func (p *Process) forget(e *event) bool {
	i := slices.Index(p.kept, e)
	if i < 0 {
		return false
	}
	p.kept = slices.Delete(p.kept, i, i+1)
	return true
}
