package claimer_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/claimer"
	"github.com/muster-go/muster/internal/bootclock"
	"github.com/muster-go/muster/store/storetest"
)

var (
	simSeeds = flag.Int("sim.seeds", 8, "courses of events that the simulation tries")
	simFirst = flag.Uint64("sim.first", 1, "the seed of the first")
)

// TestUnderRandomFaultsOneLeadsAtATime is a simulation: several processes claim, extend, wait, hold
// and release under faults drawn from a seed. Against true time, no two guarantees of one name ever
// overlap, tokens rise, and once the faults end somebody leads in time. A failure prints its seed:
// go test ./claimer -run UnderRandomFaults -sim.first SEED -sim.seeds 1 tries it again.
func TestUnderRandomFaultsOneLeadsAtATime(t *testing.T) {
	for i := range uint64(*simSeeds) {
		in(t, func(w world) { simulate(w, *simFirst+i) })
	}
}

// simulation is one course of events.
type simulation struct {
	w       world
	seed    uint64
	rng     *rand.Rand // of the faults
	start   time.Time
	started []*process
	stop    context.Context

	mu      sync.Mutex
	log     []string
	grants  map[string]*guarantee // the latest of each name
	highest map[string]uint64     // token by name
	led     map[string]time.Time  // when a claim was granted last
	failed  bool
}

// guarantee is what a process was promised: that nobody else leads.
type guarantee struct {
	who   string
	token uint64
	until time.Time
	hold  claimer.Hold // nil: none
	over  bool         // released
}

// end is when the guarantee ends or ended.
func (g *guarantee) end() time.Time {
	switch {
	case g.over:
		return time.Time{}
	case g.hold != nil && g.hold.Deadline().After(g.until):
		return g.hold.Deadline()
	}
	return g.until
}

func (s *simulation) note(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.noteLocked(format, args...)
}

func (s *simulation) noteLocked(format string, args ...any) {
	at := bootclock.Clock.Now().Sub(s.start).Round(time.Millisecond)
	s.log = append(s.log, fmt.Sprintf("%8v %s", at, fmt.Sprintf(format, args...)))
}

func (s *simulation) failLocked(format string, args ...any) {
	s.noteLocked("FAILED: "+format, args...)
	if !s.failed {
		s.failed = true
		s.w.Errorf("seed %d:\n%s", s.seed, strings.Join(s.log, "\n"))
	}
}

// granted takes in a claim that was asked for at called, and checks it against all others.
func (s *simulation) granted(name, who string, c claimer.Claim, called time.Time, d time.Duration) *guarantee {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := bootclock.Clock.Now()
	g := s.grants[name]
	if g != nil && (g.who != who || g.token != c.Token) {
		if now.Before(g.end()) {
			s.failLocked("%s: %s leads with %d while %s has it with %d until %v", name, who, c.Token, g.who, g.token, g.end().Sub(s.start))
		}
		if c.Token <= s.highest[name] {
			s.failLocked("%s: %s leads with %d after %d", name, who, c.Token, s.highest[name])
		}
		g = nil
	}
	if g == nil {
		g = &guarantee{who: who, token: c.Token}
		s.grants[name] = g
		s.noteLocked("%s: %s leads with %d", name, who, c.Token)
	}
	s.highest[name] = max(s.highest[name], c.Token)
	s.led[name] = now
	if until := called.Add(d); until.After(g.until) {
		g.until = until
	}
	return g
}

func (s *simulation) set(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

// candidate is the life of one: it claims, extends, holds, waits, releases, and begins anew.
func (s *simulation) candidate(p *process, name, who string, rng *rand.Rand) {
	c := claimer.Candidate{Name: name, Holder: who}
	var hold claimer.Hold
	drop := func() {
		if hold != nil {
			s.set(func() {
				if g := s.grants[name]; g != nil && g.hold == hold {
					g.hold = nil
				}
			})
			hold.Release()
			hold = nil
		}
	}
	defer drop()
	for s.stop.Err() == nil {
		patience := []time.Duration{time.Second, d, 4 * ttl, time.Hour}[rng.IntN(4)]
		ctx, cancel := context.WithTimeout(s.stop, patience)
		d := ttl/10 + time.Duration(rng.Int64N(int64(ttl*7/10)))
		called := bootclock.Clock.Now()
		claim, err := p.Claim(ctx, c, d)
		switch {
		case err == nil:
			g := s.granted(name, who, claim, called, d)
			if hold == nil && rng.IntN(2) == 0 {
				if h, err := p.Hold(claim); err == nil {
					hold = h
					s.set(func() { g.hold = h })
				}
			}
			if hold != nil && closed(hold.Lost()) || rng.IntN(12) == 0 {
				drop()
				s.set(func() { g.over = true })
				s.note("%s: %s releases %d", name, who, claim.Token)
				if err := p.Release(ctx, claim); err != nil {
					s.note("%s: %s: %v", name, who, err)
				}
			}
			s.sleep(time.Duration(rng.Int64N(int64(d * 5 / 4))))
		case errors.Is(err, claimer.ErrDenied):
			if hold != nil {
				s.sleep(time.Duration(rng.Int64N(int64(ttl)))) // guarded work takes its time
				drop()
			}
			_ = p.WaitReleased(ctx, c)
		default:
			s.sleep(100*time.Millisecond + time.Duration(rng.Int64N(int64(time.Second))))
		}
		if hold != nil && closed(hold.Lost()) {
			s.sleep(time.Duration(rng.Int64N(int64(ttl / 2))))
			drop()
		}
		cancel()
	}
}

func (s *simulation) sleep(d time.Duration) {
	select {
	case <-time.After(d):
	case <-s.stop.Done():
	}
}

var simOps = []storetest.Op{
	storetest.Grant, storetest.Renew, storetest.Revoke, storetest.Owned, storetest.Apply, storetest.List, storetest.Watch,
}

// disturb does something to one process, or to the service.
func (s *simulation) disturb(witness *process) {
	i := s.rng.IntN(len(s.started))
	p := s.started[i]
	ops := simOps
	if s.rng.IntN(2) == 0 {
		ops = simOps[:0:0]
		for _, op := range simOps {
			if s.rng.IntN(3) == 0 {
				ops = append(ops, op)
			}
		}
		if len(ops) == 0 {
			ops = []storetest.Op{simOps[s.rng.IntN(len(simOps))]}
		}
	}
	calls := 0
	if s.rng.IntN(3) == 0 {
		calls = 1 + s.rng.IntN(5)
	}
	inject := func(kind storetest.FaultKind, delay time.Duration) {
		s.note("process %d: fault %d of %v, %d calls, %v", i, kind, ops, calls, delay)
		p.faults.Inject(storetest.Fault{Kind: kind, Ops: ops, Calls: calls, Delay: delay})
	}
	switch s.rng.IntN(16) {
	case 0, 1:
		inject(storetest.Hang, 0)
	case 2, 3:
		inject(storetest.LateReply, 0)
	case 4:
		inject(storetest.Fail, 0)
	case 5, 6:
		inject(storetest.DropReply, 0)
	case 7:
		inject(storetest.DropRequest, 0)
	case 8:
		inject(storetest.Delay, time.Duration(s.rng.Int64N(int64(ttl))))
	case 9:
		s.note("process %d: watches cut", i)
		p.faults.CutWatches()
	case 10:
		s.note("the service stops")
		s.w.service.Stop()
		s.sleep(time.Duration(s.rng.Int64N(int64(2 * ttl))))
		s.note("the service starts")
		s.w.service.Start()
	case 11:
		s.note("the service restarts")
		s.w.service.Restart()
	case 12:
		// The witness has seen every token, as a waiting candidate would.
		if _, err := witness.Claim(s.stop, claimer.Candidate{Name: fmt.Sprint("w", s.rng.Uint64()), Holder: "w"}, time.Second); err == nil {
			s.note("the store is wiped")
			s.w.service.Wipe()
		}
	default:
		s.note("process %d: healed", i)
		p.faults.Heal()
	}
}

func simulate(w world, seed uint64) {
	s := &simulation{
		w: w, seed: seed, rng: rand.New(rand.NewPCG(seed, 0)), start: bootclock.Clock.Now(),
		grants: map[string]*guarantee{}, highest: map[string]uint64{}, led: map[string]time.Time{},
	}
	stop, cancel := context.WithCancel(context.Background())
	s.stop = stop
	witness := w.process()
	names := []string{"y", "y-eu"}[:1+s.rng.IntN(2)]
	var lives sync.WaitGroup
	for i := range 2 + s.rng.IntN(3) {
		p := w.process()
		s.started = append(s.started, p)
		for j, name := range names {
			rng := rand.New(rand.NewPCG(seed, uint64(1+10*i+j)))
			lives.Go(func() { s.candidate(p, name, fmt.Sprint("p", i), rng) })
		}
	}
	_, err := w.lead(witness, "w", ttl)
	require.NoError(w, err)
	for range 30 + s.rng.IntN(30) {
		s.sleep(time.Duration(s.rng.Int64N(int64(ttl))))
		s.disturb(witness)
	}
	for _, p := range s.started {
		p.faults.Heal()
	}
	s.note("all healed")
	// A lease that was just lost, an era that comes of age, guarded work that ends, and somebody who
	// is patient enough to lead.
	healed := bootclock.Clock.Now()
	time.Sleep(15 * ttl)
	s.set(func() {
		for _, name := range names {
			if s.led[name].Before(healed) {
				s.failLocked("%s: nobody led after the faults ended", name)
			}
		}
	})
	cancel()
	lives.Wait()
}
