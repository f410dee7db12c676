package claimertest_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/juju/clock"

	"github.com/muster-go/muster/claimer"
	"github.com/muster-go/muster/store"
)

// service is a small, right service in memory: claims that end on a clock, and a queue of waiters.
// Its views are Claimers, and Keepers. A fault breaks it in one way.
type service struct {
	clk   clock.Clock
	d     time.Duration // of holds and places in the queue
	fault fault

	mu      sync.Mutex
	changed chan struct{} // closed at every change
	seats   map[string]*seat
	closed  chan struct{}
}

// seat is a name.
type seat struct {
	name  string
	token uint64
	grant *grant // the latest
	queue []*place
}

// grant is one term of one holder.
type grant struct {
	claim  claimer.Claim
	view   *view
	until  time.Time // the service keeps it for the holder until then
	over   bool      // it was released
	keeper keeper
}

// place is a candidate's in the queue.
type place struct {
	view    *view
	holder  string
	until   time.Time
	waiting int
}

// state is what a view can do.
type state int

const (
	well state = iota
	cut
	frozen
	dead
)

// view is one process's.
type view struct {
	s         *service
	state     state
	healed    chan struct{}
	wasCut    time.Time
	lingering map[string]int // holds on claims that were lost
}

func newService(clk clock.Clock, d time.Duration, f fault) *service {
	return &service{
		clk: clk, d: d, fault: f,
		changed: make(chan struct{}), seats: map[string]*seat{}, closed: make(chan struct{}),
	}
}

func (s *service) open(t testing.TB) claimer.Claimer {
	return &view{s: s, healed: make(chan struct{}), lingering: map[string]int{}}
}

// close ends whatever still waits.
func (s *service) close() { close(s.closed) }

// tell wakes all waiters; with the lock held.
func (s *service) tell() {
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *service) seat(name string) *seat {
	key := name
	switch s.fault {
	case foldsCase:
		key = strings.ToLower(name)
	case collidesPrefixes:
		for other := range s.seats {
			if strings.HasPrefix(other, name) && s.inForce(s.seats[other].grant) {
				return s.seats[other]
			}
		}
	}
	if s.seats[key] == nil {
		s.seats[key] = &seat{name: name}
	}
	return s.seats[key]
}

func (s *service) inForce(g *grant) bool {
	if g == nil || g.over {
		return false
	}
	if s.fault == neverExpires || s.clk.Now().Before(g.until) {
		return true
	}
	return g.keeper.holds > 0 && !g.keeper.isLost && g.view.state == well && s.fault != holdsNotRenewed
}

// own says whether the grant is the candidate's.
func (s *service) own(g *grant, v *view, holder string) bool {
	switch s.fault {
	case sharesHolders:
		return base(g.claim.Holder) == base(holder)
	case trustsHolders:
		return g.claim.Holder == holder
	}
	return g.view == v && g.claim.Holder == holder
}

func base(holder string) string {
	name, _, _ := strings.Cut(holder, "#")
	return name
}

// enter takes the lock when the view reaches the service.
func (v *view) enter(ctx context.Context) error {
	for {
		v.s.mu.Lock()
		state, healed := v.state, v.healed
		if state == well {
			if err := ctx.Err(); err != nil && v.s.fault != leavesGhosts {
				v.s.mu.Unlock()
				return fmt.Errorf("memory: %w", err)
			}
			return nil
		}
		v.s.mu.Unlock()
		switch state {
		case cut:
			return errors.New("memory: unreachable")
		case frozen:
			ctx = context.WithoutCancel(ctx)
		}
		select {
		case <-healed:
		case <-ctx.Done():
			return fmt.Errorf("memory: %w", ctx.Err())
		case <-v.s.closed:
			return claimer.ErrClosed
		}
	}
}

func (v *view) Claim(ctx context.Context, c claimer.Candidate, d time.Duration) (claimer.Claim, error) {
	s := v.s
	if err := s.check(c, d); err != nil {
		if s.fault == queuesTheRefused {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.seat(c.Name).stand(v, c.Holder).waiting++
		}
		return claimer.Claim{}, err
	}
	if err := v.enter(ctx); err != nil {
		return claimer.Claim{}, err
	}
	defer s.mu.Unlock()
	now := s.clk.Now()
	if s.fault == neverRecovers && now.Sub(v.wasCut) < 1000*s.d {
		return claimer.Claim{}, errors.New("memory: lease not found")
	}
	if v.lingering[c.Name] > 0 && s.fault != ignoresLingering {
		return claimer.Claim{}, &claimer.DeniedError{Name: c.Name, Reason: "guarded work still runs"}
	}
	seat := s.seat(c.Name)
	g := seat.grant
	if s.inForce(g) && s.own(g, v, c.Holder) && !g.keeper.releasing {
		return s.extend(g, d), nil
	}
	if err := s.denial(seat, v, c, d); err != nil {
		return claimer.Claim{}, err
	}
	seat.leave(v, c.Holder)
	attributes := maps.Clone(c.Attributes)
	switch s.fault {
	case losesAttributes:
		attributes = nil
	case sharesAttributes:
		attributes = c.Attributes
	}
	c.Attributes = attributes
	seat.grant = &grant{claim: claimer.Claim{Candidate: c, Token: s.token(seat, c.Holder)}, view: v, until: now.Add(s.length(d))}
	seat.grant.keeper.lost = make(chan struct{})
	if s.fault == leavesGhosts && ctx.Err() != nil {
		seat.grant.until = now.Add(1000 * d)
		return claimer.Claim{}, ctx.Err()
	}
	return s.told(seat.grant), nil
}

// told is the claim as its holder is told it.
func (s *service) told(g *grant) claimer.Claim {
	c := g.claim
	c.Attributes = maps.Clone(c.Attributes)
	return c
}

func (s *service) extend(g *grant, d time.Duration) claimer.Claim {
	if until := s.clk.Now().Add(s.length(d)); until.After(g.until) && s.fault != doesNotExtend {
		g.until = until
	}
	if s.fault == newTokenAtExtension {
		g.claim.Token++
	}
	return s.told(g)
}

func (s *service) length(d time.Duration) time.Duration {
	if s.fault == shortensClaims {
		return d * 2 / 3
	}
	return d
}

func (s *service) token(seat *seat, holder string) uint64 {
	switch {
	case s.fault == resetsTokens && seat.grant != nil && seat.grant.over:
		seat.token = 0
	case s.fault == keepsToken && seat.grant != nil && seat.grant.claim.Holder == holder:
		return seat.grant.claim.Token
	case s.fault == zeroToken && seat.grant == nil:
		return 0
	case s.fault == keepsTokenAtExpiry && seat.grant != nil && !seat.grant.over:
		return seat.grant.claim.Token
	}
	seat.token++
	return seat.token
}

func (s *service) check(c claimer.Candidate, d time.Duration) error {
	switch {
	case c.Holder == "" && s.fault != acceptsEmptyHolder:
		return fmt.Errorf("memory: no holder: %w", claimer.ErrInvalid)
	case d <= 0 && s.fault != acceptsZeroDuration:
		return fmt.Errorf("memory: claim for %v: %w", d, claimer.ErrInvalid)
	case s.fault == acceptsAnyName, s.fault == acceptsEmptyName && c.Name == "":
		return nil
	}
	err := store.CheckName("election", c.Name)
	if err != nil && s.fault == refusesNamesUnclearly {
		return errors.New("memory: bad name")
	}
	if err == nil && d > 100*s.d {
		if s.fault == refusesLongUnclearly {
			return errors.New("memory: too long")
		}
		err = fmt.Errorf("memory: claim for %v: %w", d, claimer.ErrInvalid)
	}
	return err
}
