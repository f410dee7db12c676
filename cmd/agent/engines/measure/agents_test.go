package measure_test

import (
	"context"
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/muster-go/muster/cmd/agent/engines/enginestest"
)

// restTime is for how long messages are counted at rest: some renewals with the default TTL.
const restTime = 30 * time.Second

// shell is the guarded command.
var shell = []string{"--", "sh", "-c", "echo leads; exec sleep 999"}

// takeOvers has n leaders end by a signal, one after the other, and measures each time until the
// command of the next in the queue has begun.
func (r *result) takeOvers(t *testing.T, ctx context.Context, s *enginestest.Store, election string, n int, signal syscall.Signal) []time.Duration {
	node := 0
	stand := func() *enginestest.Agent {
		node++
		return enginestest.Start(t, s.FreshURL(t), append([]string{
			"run", election, "--node", fmt.Sprintf("box-%d", node), "--ttl", r.engine.TTL.String(),
		}, shell...)...)
	}
	leader := stand()
	leader.Said(leader.Out, "leads")
	var took []time.Duration
	for range n {
		if ctx.Err() != nil {
			t.SkipNow()
		}
		next := stand()
		next.Said(next.Err, "waiting for")
		ended := time.Now()
		leader.Signal(signal)
		next.Said(next.Out, "leads")
		took = append(took, time.Since(ended))
		leader.Wait()
		leader = next
	}
	return took
}

// measureRest counts what three agents with the default TTL send while nothing happens.
func (r *result) measureRest(t *testing.T, ctx context.Context) {
	s := r.engine.Start(t)
	if !s.Remote() {
		return
	}
	var lines []*enginestest.Line
	for i := range 3 {
		line := s.FreshLine(t)
		lines = append(lines, line)
		a := enginestest.Start(t, line.URL, append([]string{"run", "rest", "--node", fmt.Sprintf("box-%d", i)}, shell...)...)
		if i == 0 {
			a.Said(a.Out, "leads")
		} else {
			a.Said(a.Err, "waiting for")
		}
	}
	messages := func() (sum int64) {
		for _, line := range lines {
			sum += line.Messages()
		}
		return sum
	}
	rest := func(d time.Duration) {
		select {
		case <-ctx.Done():
			t.SkipNow()
		case <-time.After(d):
		}
	}
	rest(restTime / 10) // they have just come
	before, since := messages(), time.Now()
	rest(restTime)
	r.rest = float64(messages()-before) / time.Since(since).Seconds()
	say("  %s: %.1f messages/s", r.engine.Name, r.rest)
}
