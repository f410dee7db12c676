package measure_test

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/cmd/agent/engines/enginestest"
	"github.com/muster-go/muster/store"
)

// result is a row of the table.
type result struct {
	engine   enginestest.Engine
	limits   store.Limits
	failover []time.Duration // from the kill of a leader to the next one's command
	handOver []time.Duration // from the SIGTERM of a leader to the next one's command
	watch    []time.Duration // from the call of a write to its event at another client
	write    []time.Duration // of the same writes, until they were acknowledged
	rest     float64         // messages a second from three agents to a store in which nothing happens
}

func TestMeasure(t *testing.T) {
	if *tries <= 0 {
		t.Skip("measures only if asked to: make engines")
	}
	// Ctrl-C ends it with the next look at ctx, and all that was started is cleaned up.
	ctx, stop := signal.NotifyContext(t.Context(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	var results []*result
	for _, engine := range enginestest.Engines() {
		if *only != "" && *only != engine.Name {
			continue
		}
		if missing := engine.Missing(); missing != "" {
			say("%s is left out: %s: run 'make servers'", engine.Name, missing)
			continue
		}
		r := &result{engine: engine}
		if t.Run(engine.Name, func(t *testing.T) { r.measure(t, ctx) }) {
			results = append(results, r)
		}
		if ctx.Err() != nil {
			t.Fatal("interrupted: the table is as it was")
		}
	}
	t.Run("at rest", func(t *testing.T) {
		say("at rest: %v for all engines at the same time", restTime)
		for _, r := range results {
			t.Run(r.engine.Name, func(t *testing.T) {
				t.Parallel()
				r.measureRest(t, ctx)
			})
		}
	})
	if ctx.Err() != nil || t.Failed() {
		t.Fatal("interrupted or failed: the table is as it was")
	}
	table := tableOf(results)
	fmt.Print("\n", table)
	if *page != "" {
		old, err := os.ReadFile(*page)
		require.NoError(t, err)
		text, err := replaceTable(string(old), table)
		require.NoError(t, err, *page)
		require.NoError(t, os.WriteFile(*page, []byte(text), 0o644))
		say("the table stands in %s", *page)
	}
}

// say tells of the progress.
func say(format string, args ...any) {
	fmt.Printf("%s %s\n", time.Now().Format("15:04:05"), fmt.Sprintf(format, args...))
}

// measure does all but what is measured at rest.
func (r *result) measure(t *testing.T, ctx context.Context) {
	say("%s (%s)", r.engine.Name, r.engine.Server)
	s := r.engine.Start(t)
	r.measureWatch(t, ctx, s)
	say("  watch: %s; write: %s", spread(r.watch, 99), spread(r.write, 99))
	r.failover = r.takeOvers(t, ctx, s, "killed", *tries, syscall.SIGKILL)
	say("  failover with a TTL of %v: %s", r.engine.TTL, spread(r.failover, 100))
	r.handOver = r.takeOvers(t, ctx, s, "handed", 4**tries, syscall.SIGTERM)
	say("  hand-over: %s", spread(r.handOver, 100))
}
