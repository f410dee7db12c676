package leadership_test

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/muster-go/muster/claimer"
	"github.com/muster-go/muster/internal/sim"
	"github.com/muster-go/muster/store"
)

var quiet = slog.New(slog.DiscardHandler)

// callTimeout is short, so that what hangs for ever is written off within a course.
const callTimeout = time.Second

// agent is a process with a store, a queue, and candidates of both kinds.
type agent struct {
	p     *sim.Process
	l     *ledger
	ttl   time.Duration
	store *store.Store
	queue *claimer.Queue

	ctx  context.Context // ends when it is to end
	stop context.CancelFunc

	mu     sync.Mutex
	stands []*stand
	direct []*direct
	ending bool
	ended  chan struct{} // closed when everything of it has ended
}

func newAgent(l *ledger, name string, rate int64, ttl time.Duration) *agent {
	p := l.w.Start(name, rate)
	a := &agent{p: p, l: l, ttl: ttl, ended: make(chan struct{})}
	a.ctx, a.stop = context.WithCancel(p.Context())
	var err error
	a.store, err = store.New(store.Config{
		Driver: p.Driver(), Clock: p.Clock(), Logger: quiet, Rand: p.Rand("store"),
		Drift: drift, CallTimeout: callTimeout,
	})
	must(err)
	a.queue, err = claimer.New(claimer.Config{Store: a.store, TTL: ttl, Logger: quiet})
	must(err)
	return a
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// kill ends the process at once.
func (a *agent) kill() {
	a.p.Kill()
	a.mu.Lock()
	ending := a.ending
	a.ending = true
	a.mu.Unlock()
	if !ending {
		go a.end(false)
	}
}

// shutDown ends the process as a program does that was asked to; abruptly means that the queue is
// closed while guarded work still runs.
func (a *agent) shutDown(abruptly bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.ending {
		return
	}
	a.ending = true
	a.p.Note("shuts down")
	go a.end(abruptly)
}

// end stops everything, candidates first; or the queue, abruptly.
func (a *agent) end(abruptly bool) {
	a.mu.Lock()
	stands, direct := a.stands, a.direct
	a.mu.Unlock()
	// A queue knows nothing of guarded work on a Claimer that is no Keeper.
	if abruptly && !slices.ContainsFunc(stands, func(s *stand) bool { return !s.keeper }) {
		for _, s := range stands {
			s.ends.Add(1)
		}
		for _, d := range direct {
			d.giveUp()
		}
		_ = a.queue.Close()
	}
	a.stop()
	for _, s := range stands {
		s.kill()
	}
	a.p.Wait()
	for _, s := range stands {
		_ = s.worker.Wait()
	}
	_ = a.queue.Close()
	_ = a.store.Close()
	a.p.Note("has shut down")
	a.p.Kill()
	close(a.ended)
}

// fit tells whether it is up and not about to end.
func (a *agent) fit() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return !a.ending && !a.p.Dead()
}
