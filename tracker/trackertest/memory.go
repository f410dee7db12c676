package trackertest

import (
	"context"
	"sync"
	"time"

	"github.com/juju/clock"

	"github.com/muster-go/muster/claimer"
)

var _ claimer.Claimer = (*Memory)(nil)

// Memory is an exclusive Claimer within the process: claims end by themselves on its clock, whoever
// asks first after that gets the name, and tokens rise at every change of holder. It has just the
// three methods, so it also shows what a Claimer needs.
type Memory struct {
	clock clock.Clock

	mu     sync.Mutex
	tokens uint64
	names  map[string]*lease
}

// lease is a name in force until its end.
type lease struct {
	claim   claimer.Claim
	end     time.Time
	changed chan struct{} // closed when the lease is given up or extended
}

// NewMemory makes a Memory whose claims end on the given clock.
func NewMemory(clk clock.Clock) *Memory {
	return &Memory{clock: clk, names: map[string]*lease{}}
}

// Claim implements claimer.Claimer.
func (m *Memory) Claim(ctx context.Context, c claimer.Candidate, d time.Duration) (claimer.Claim, error) {
	if err := ctx.Err(); err != nil {
		return claimer.Claim{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.clock.Now()
	held, ok := m.names[c.Name]
	switch {
	case !ok || !now.Before(held.end):
		m.tokens++
		held = &lease{claim: claimer.Claim{Candidate: c, Token: m.tokens}, changed: make(chan struct{})}
		m.names[c.Name] = held
	case held.claim.Holder != c.Holder:
		holder := held.claim
		return claimer.Claim{}, &claimer.DeniedError{Name: c.Name, Holder: &holder, AtMost: held.end.Sub(now)}
	}
	if end := now.Add(d); end.After(held.end) {
		held.end = end
		close(held.changed)
		held.changed = make(chan struct{})
	}
	return held.claim, nil
}

// Release implements claimer.Claimer.
func (m *Memory) Release(ctx context.Context, c claimer.Claim) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	held, ok := m.names[c.Name]
	if !ok || held.claim.Holder != c.Holder || held.claim.Token != c.Token || !m.clock.Now().Before(held.end) {
		return claimer.ErrNotHeld
	}
	m.drop(c.Name)
	return nil
}

// Revoke takes the name from whoever holds it, as an administrator would.
func (m *Memory) Revoke(name string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.names[name]; ok {
		m.drop(name)
	}
}

func (m *Memory) drop(name string) {
	close(m.names[name].changed)
	delete(m.names, name)
}

// Holder is the claim in force; ok is false if there is none.
func (m *Memory) Holder(name string) (claim claimer.Claim, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if held, ok := m.names[name]; ok && m.clock.Now().Before(held.end) {
		return held.claim, true
	}
	return claimer.Claim{}, false
}

// WaitReleased implements claimer.Claimer.
func (m *Memory) WaitReleased(ctx context.Context, c claimer.Candidate) error {
	for {
		m.mu.Lock()
		held, ok := m.names[c.Name]
		if !ok {
			m.mu.Unlock()
			return nil
		}
		left, changed := held.end.Sub(m.clock.Now()), held.changed
		m.mu.Unlock()
		if left <= 0 {
			return nil
		}
		timer := m.clock.NewTimer(left)
		select {
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-changed:
		case <-timer.Chan():
		}
		timer.Stop()
	}
}
