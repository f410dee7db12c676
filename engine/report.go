package engine

import (
	"encoding/json"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/juju/worker/v4/dependency"
)

// The bounds on what a Snapshot asks of workers.
const (
	reportTimeout = 100 * time.Millisecond // for all of a Snapshot together
	reportMost    = 64 << 10               // bytes of a report
	askers        = 16                     // goroutines of a Snapshot
)

// reportCall is one call of a worker's Report and Reason. A run has one at a time: whoever takes a
// Snapshot meanwhile waits for the same.
type reportCall struct {
	r        *run
	asked    time.Time
	reporter dependency.Reporter // or nil
	reasoner Reasoner            // or nil
	stage    atomic.Int32        // stageQueued, then one of the others

	done   chan struct{} // closed when what follows is set
	report json.RawMessage
	err    string
	reason string
}

const (
	stageQueued = iota
	stageAsking
	stageGivenUp
)

// prepareCall gives the call for a run's worker, and whether it is new; nil if there is nothing to
// ask. With the graph's mu held.
func (g *graph) prepareCall(n *node, now time.Time) (c *reportCall, fresh bool) {
	r := n.run
	if r == nil || r.worker == nil || r.ended {
		return nil, false
	}
	if r.call != nil {
		return r.call, false
	}
	c = &reportCall{r: r, asked: now}
	c.reporter, _ = r.worker.(dependency.Reporter)
	if n.down || r.flag != nil && !*r.flag {
		c.reasoner, _ = r.worker.(Reasoner)
	}
	if c.reporter == nil && c.reasoner == nil {
		return nil, false
	}
	c.done = make(chan struct{})
	r.call = c
	g.calls[c] = n
	return c, true
}

// ask makes the calls, each once, and returns at once.
func (g *graph) ask(calls []*reportCall) {
	next := new(atomic.Int64)
	for range min(askers, len(calls)) {
		go func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= len(calls) {
					return
				}
				if calls[i].stage.CompareAndSwap(stageQueued, stageAsking) {
					g.call(calls[i])
				}
			}
		}()
	}
}

// call asks a worker, however long that takes.
func (g *graph) call(c *reportCall) {
	c.err = "Report ended its goroutine"
	defer g.endCall(c)
	if c.reasoner != nil {
		if panicked := guard("Reason", func() { c.reason = c.reasoner.Reason() }); panicked != nil {
			c.panicked(panicked)
		}
	}
	if c.reporter == nil {
		c.err = ""
		return
	}
	var report map[string]any
	var encoded []byte
	var err error
	panicked := guard("Report", func() {
		if report = c.reporter.Report(); report != nil {
			encoded, err = json.Marshal(report)
		}
	})
	switch {
	case panicked != nil:
		c.panicked(panicked)
		c.err = textOf(panicked)
	case err != nil:
		c.err = fmt.Sprintf("its report can't be written as JSON: %s", textOf(err))
	case len(encoded) > reportMost:
		c.err = fmt.Sprintf("its report has %d bytes, of at most %d", len(encoded), reportMost)
	default:
		c.report, c.err = encoded, ""
	}
}

// panicked records a panic, the first of each run: Snapshots may be frequent.
func (c *reportCall) panicked(err error) {
	if c.r.panicTold.CompareAndSwap(false, true) {
		c.r.n.g.failed(c.r.n, err)
	}
}

// endCall takes note that a call is over, or won't be made.
func (g *graph) endCall(c *reportCall) {
	g.mu.Lock()
	defer g.mu.Unlock()
	c.r.call = nil
	delete(g.calls, c)
	if len(g.calls) == 0 && g.callsDone != nil {
		close(g.callsDone)
		g.callsDone = nil
	}
	close(c.done)
}

// await waits for the calls, for reportTimeout at most, and gives up those that weren't begun by then.
// It returns those that haven't been answered, with the reason.
func (g *graph) await(calls []*reportCall, now time.Time) map[*reportCall]string {
	if len(calls) == 0 {
		return nil
	}
	timer := g.config.Clock.NewTimer(reportTimeout)
	defer timer.Stop()
	late := map[*reportCall]string{}
	expired := false
	for _, c := range calls {
		switch {
		case now.Sub(c.asked) >= reportTimeout: // it hung at an earlier Snapshot already
		case expired:
		default:
			select {
			case <-c.done:
				continue
			case <-timer.Chan():
				expired = true
			}
		}
		select {
		case <-c.done:
			continue
		default:
		}
		switch {
		case c.stage.CompareAndSwap(stageQueued, stageGivenUp):
			c.err = "it wasn't asked: the Reports of others took all the time"
			g.endCall(c)
		case c.stage.Load() == stageGivenUp:
			<-c.done // another Snapshot says so just now
		default:
			late[c] = "Report doesn't answer, asked " + age(c.asked, g.config.Clock.Now()) + " ago"
		}
	}
	return late
}

// awaitReports waits, at the end, for Reports that haven't returned, for StopTimeout at most.
func (g *graph) awaitReports() {
	g.mu.Lock()
	if len(g.calls) == 0 {
		g.mu.Unlock()
		return
	}
	done := make(chan struct{})
	g.callsDone = done
	g.mu.Unlock()
	timer := g.config.Clock.NewTimer(g.config.StopTimeout)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.Chan():
	}
}
