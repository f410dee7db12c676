package leadership_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/muster-go/muster/claimer"
	"github.com/muster-go/muster/internal/sim"
	"github.com/muster-go/muster/tracker"
)

// stand is one tracker, with guarded work and those that ask for tickets.
type stand struct {
	a      *agent
	b      *book
	by     *party
	worker *tracker.Worker
	keeper bool
	gone   atomic.Bool
	ends   atomic.Int64 // how often this process gave leadership up by itself

	// The check's.
	leads     bool
	token     uint64
	since     time.Duration
	told      time.Time // the deadline that Leadership gave last
	toldToken uint64
	toldEnds  int64
}

// plain hides that a Claimer is a Keeper.
type plain struct{ claimer.Claimer }

// track starts a tracker.
func (a *agent) track(b *book, name string, keeper bool) *stand {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.ending {
		return nil
	}
	var c claimer.Claimer = a.queue
	if !keeper {
		c = plain{c}
	}
	worker, err := tracker.New(tracker.Config{
		Claimer: c, Candidate: claimer.Candidate{Name: b.name, Holder: name},
		Duration: a.ttl * 4 / 10, Clock: a.p.Clock(), Logger: quiet, Rand: a.p.Rand("tracker " + name),
	})
	must(err)
	s := &stand{a: a, b: b, by: &party{p: a.p, name: name}, worker: worker, keeper: keeper}
	a.stands = append(a.stands, s)
	b.stands = append(b.stands, s)
	work, tickets := a.p.Chance("work "+name), a.p.Chance("tickets "+name)
	a.p.Go(func(context.Context) {
		_ = worker.Wait()
		s.gone.Store(true)
	})
	a.p.Go(func(context.Context) { s.work(a.ctx, work) })
	a.p.Go(func(context.Context) { s.tickets(a.ctx, tickets) })
	return s
}

// look asks the tracker, which doesn't change it.
func (s *stand) look() {
	claim, deadline, ok := s.worker.Leadership()
	if ok && (!s.leads || s.token != claim.Token) {
		s.since = s.a.l.w.Now()
	}
	if s.leads && !ok {
		s.a.p.Note("%s leads %s no more", s.by.name, s.b.name)
	}
	s.leads, s.token = ok, claim.Token
	if ok {
		s.told, s.toldToken, s.toldEnds = deadline, claim.Token, s.ends.Load()
	}
}

// promised tells whether the deadline that was told is still ahead, and the tracker has not given
// leadership up by itself.
func (s *stand) promised() bool {
	return s.toldEnds == s.ends.Load() && s.a.p.Clock().Now().Before(s.told)
}

// kill asks the tracker to end.
func (s *stand) kill() {
	s.ends.Add(1)
	s.worker.Kill()
}

// resign has the tracker give leadership up.
func (s *stand) resign(patience time.Duration) {
	s.ends.Add(1)
	s.a.p.Note("%s resigns", s.by.name)
	s.a.p.Go(func(context.Context) {
		ctx, cancel := context.WithCancel(s.a.ctx)
		defer cancel()
		defer s.a.p.Clock().AfterFunc(patience, cancel).Stop()
		held, err := s.worker.Resign(ctx)
		s.a.p.Note("%s has resigned: %v, %v", s.by.name, held, err)
	})
}

// work runs guarded work whenever the tracker leads.
func (s *stand) work(ctx context.Context, r *rand.Rand) {
	for ctx.Err() == nil {
		var err error
		if r.IntN(2) == 0 {
			err = s.worker.RunWhileLeader(ctx, func(ctx context.Context, _ claimer.Claim) error {
				hold, err := s.worker.Hold()
				if err != nil {
					return err
				}
				defer hold.Release()
				s.guarded(ctx, hold, r)
				return nil
			})
		} else {
			err = s.workOnHold(ctx, r)
		}
		if errors.Is(err, tracker.ErrStopped) || !s.a.p.Sleep(ctx, sim.Decades(r, time.Millisecond, s.a.ttl)) {
			return
		}
	}
}

func (s *stand) workOnHold(ctx context.Context, r *rand.Rand) error {
	ticket := s.worker.WaitLeader()
	select {
	case <-ticket.Ready():
	case <-ctx.Done():
		return nil
	}
	hold, err := s.worker.Hold()
	if err != nil {
		if s.gone.Load() {
			return tracker.ErrStopped
		}
		return err
	}
	defer hold.Release()
	guarded, cancel := hold.Context(ctx)
	defer cancel()
	s.guarded(guarded, hold, r)
	return nil
}

// guarded is work that ends by itself, or some time after it was told to.
func (s *stand) guarded(ctx context.Context, hold *tracker.Hold, r *rand.Rand) {
	p, l := s.a.p, s.a.l
	g := l.add(s.b, &guarantee{by: s.by, token: hold.Claim().Token, what: "guarded work", live: func() bool {
		return p.Running(10*time.Millisecond) && !closed(ctx.Done()) || p.Clock().Now().Before(hold.Deadline())
	}})
	defer l.end(g)
	p.Sleep(ctx, sim.Decades(r, 10*time.Millisecond, 10*s.a.ttl))
	if ctx.Err() != nil {
		p.Sleep(p.Context(), sim.Decades(r, time.Millisecond, 2*s.a.ttl)) // it takes its time
	}
}

// tickets asks again and again.
func (s *stand) tickets(ctx context.Context, r *rand.Rand) {
	p := s.a.p
	for !s.gone.Load() && p.Sleep(ctx, sim.Decades(r, 10*time.Millisecond, 2*s.a.ttl)) {
		ends, issued := s.ends.Load(), p.Clock().Now()
		ticket := s.worker.ClaimLeader()
		patience := p.Clock().NewTimer(sim.Decades(r, time.Millisecond, 2*s.a.ttl))
		select {
		case <-ticket.Ready():
		case <-patience.Chan():
		case <-ctx.Done():
		}
		patience.Stop()
		if !closed(ticket.Ready()) || !ticket.Wait() {
			continue
		}
		until := issued.Add(s.worker.ClaimDuration())
		s.a.l.add(s.b, &guarantee{by: s.by, what: "a ticket", live: func() bool {
			return s.ends.Load() == ends && p.Clock().Now().Before(until)
		}})
	}
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
