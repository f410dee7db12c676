package engine

import (
	"errors"
	"fmt"
	"sync"
	"time"
)

// liveTimeout is how long the engine may take to answer, on its clock.
const liveTimeout = 5 * time.Second

// Ready is Snapshot().Ready(): nil, or a *NotReadyError.
func (e *Engine) Ready() error { return e.Snapshot().Ready() }

// Live returns nil if the engine's loop answers, in whatever state the manifolds are, while it stops
// too. It returns an error if there is no answer within five seconds, or the engine has ended. What
// manifolds do can't cause the former: it means a bug of the engine's, and that the process is to be
// restarted.
func (e *Engine) Live() error {
	timer := e.graph.config.Clock.NewTimer(liveTimeout)
	defer timer.Stop()
	// An engine that has ended answers as well, so that is asked first.
	select {
	case <-e.dead:
		return e.ended()
	default:
	}
	select {
	case <-e.pulse.beat(e):
		return nil
	case <-e.dead:
		return e.ended()
	case <-timer.Chan():
		return fmt.Errorf("the engine's loop hasn't answered for %v: restart the process", liveTimeout)
	}
}

func (e *Engine) ended() error {
	if e.err != nil {
		return fmt.Errorf("the engine has ended: %w", e.err)
	}
	return errors.New("the engine has ended")
}

// pulse asks the engine for an answer, once at a time: an engine that gives none isn't asked by ever
// more goroutines.
type pulse struct {
	mu      sync.Mutex
	pending chan struct{}
}

// beat gives a channel that is closed when the engine has answered.
func (p *pulse) beat(e *Engine) <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.pending != nil {
		return p.pending
	}
	answered := make(chan struct{})
	p.pending = answered
	go func() {
		e.host.Report() // from the host's loop
		e.graph.answer()
		p.mu.Lock()
		p.pending = nil
		p.mu.Unlock()
		close(answered)
	}()
	return answered
}

// answer takes the graph's mu, as everything does.
func (g *graph) answer() {
	g.mu.Lock()
	defer g.mu.Unlock()
}
