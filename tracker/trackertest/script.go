package trackertest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/juju/clock"

	"github.com/muster-go/muster/claimer"
)

var _ claimer.Claimer = (*Script)(nil)

// ErrScriptClosed is what a Claim or WaitReleased that the test left unanswered returns after
// Close. It isn't one of the permanent errors.
var ErrScriptClosed = errors.New("script closed")

// Method is a method of claimer.Claimer.
type Method string

// The methods.
const (
	Claim        Method = "Claim"
	Release      Method = "Release"
	WaitReleased Method = "WaitReleased"
)

// Script is a Claimer that knows nothing: each call waits, ignoring its context, until the test
// answers it. So a call that the test leaves alone is one that hangs. Close it at the test's end.
type Script struct {
	clock  clock.Clock
	closed chan struct{}
	once   sync.Once

	mu      sync.Mutex
	calls   []*Call
	read    int // calls that Next gave out
	arrived chan struct{}
}

// NewScript makes a Script that notes the times of its calls on the given clock.
func NewScript(clk clock.Clock) *Script {
	return &Script{clock: clk, closed: make(chan struct{}), arrived: make(chan struct{})}
}

// Call is one call of a method, to be answered by the test, once, when it likes.
type Call struct {
	Method    Method
	Candidate claimer.Candidate // who calls
	Duration  time.Duration     // of a Claim
	Token     uint64            // of a Release
	At        time.Time         // when it came
	Ctx       context.Context   //nolint:containedctx // the call's own, for the test to look at

	answer chan answer
}

type answer struct {
	token uint64
	err   error
}

// Grant answers a Claim with the candidate's claim under the given token.
func (c *Call) Grant(token uint64) { c.answer <- answer{token: token} }

// Deny answers a Claim: another holds the name. An empty holder stands for an unknown one.
func (c *Call) Deny(holder string, token uint64) {
	denial := &claimer.DeniedError{Name: c.Candidate.Name}
	if holder != "" {
		denial.Holder = &claimer.Claim{Candidate: claimer.Candidate{Name: c.Candidate.Name, Holder: holder}, Token: token}
	}
	c.answer <- answer{err: denial}
}

// Return answers any call with the error, or a Release or WaitReleased with success for nil.
func (c *Call) Return(err error) { c.answer <- answer{err: err} }

// UntilCancelled has the call wait for its context and return that one's error, as it should.
func (c *Call) UntilCancelled() {
	context.AfterFunc(c.Ctx, func() { c.Return(c.Ctx.Err()) })
}

// Next gives the oldest call not given yet, waiting for one, and fails the test if it isn't of the
// given method. In a synctest bubble a call that never comes is reported as a deadlock.
func (s *Script) Next(t testing.TB, method Method) *Call {
	t.Helper()
	for {
		s.mu.Lock()
		if s.read < len(s.calls) {
			call := s.calls[s.read]
			s.read++
			s.mu.Unlock()
			if call.Method != method {
				t.Fatalf("the tracker calls %s, want %s", call.Method, method)
			}
			return call
		}
		arrived := s.arrived
		s.mu.Unlock()
		<-arrived
	}
}

// Pending is the number of calls that Next hasn't given yet.
func (s *Script) Pending() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.calls) - s.read
}

// Calls gives all calls so far, in their order.
func (s *Script) Calls() []*Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]*Call(nil), s.calls...)
}

// Close answers what is unanswered, now and later: a Release with success, anything else with
// ErrScriptClosed.
func (s *Script) Close() { s.once.Do(func() { close(s.closed) }) }

func (s *Script) call(c *Call) answer {
	c.At = s.clock.Now()
	c.answer = make(chan answer, 1)
	s.mu.Lock()
	s.calls = append(s.calls, c)
	close(s.arrived)
	s.arrived = make(chan struct{})
	s.mu.Unlock()
	select {
	case a := <-c.answer:
		return a
	case <-s.closed:
		if c.Method == Release {
			return answer{}
		}
		return answer{err: fmt.Errorf("%s: %w", c.Method, ErrScriptClosed)}
	}
}

// Claim implements claimer.Claimer.
func (s *Script) Claim(ctx context.Context, c claimer.Candidate, d time.Duration) (claimer.Claim, error) {
	a := s.call(&Call{Method: Claim, Candidate: c, Duration: d, Ctx: ctx})
	if a.err != nil {
		return claimer.Claim{}, a.err
	}
	return claimer.Claim{Candidate: c, Token: a.token}, nil
}

// Release implements claimer.Claimer.
func (s *Script) Release(ctx context.Context, c claimer.Claim) error {
	return s.call(&Call{Method: Release, Candidate: c.Candidate, Token: c.Token, Ctx: ctx}).err
}

// WaitReleased implements claimer.Claimer.
func (s *Script) WaitReleased(ctx context.Context, c claimer.Candidate) error {
	return s.call(&Call{Method: WaitReleased, Candidate: c, Ctx: ctx}).err
}
