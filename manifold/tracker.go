package manifold

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/juju/clock"
	"github.com/juju/worker/v4"
	"github.com/juju/worker/v4/dependency"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/muster-go/muster/claimer"
	"github.com/muster-go/muster/tracker"
)

// TrackerConfig says who stands in which election, and at which Claimer.
type TrackerConfig struct {
	// Claimer is the name of the input that gives the *claimer.Claimer, for example one made by
	// Claimer.
	Claimer string
	// Candidate is who stands for what.
	Candidate claimer.Candidate
	// Duration is what a true ticket guarantees: claims are asked for twice that. Default: what the
	// Claimer allows; for a Claimer manifold with TTL T that is 0.4 T. A Claimer without a
	// MaxDuration method needs it.
	Duration time.Duration
	// Margin is how long before a claim's end the tracker lowers. Default: tracker.Config's.
	Margin time.Duration
	// Clock tells the time. Default: the clock that the Claimer's manifold gives, else
	// tracker.Config's.
	Clock clock.Clock
	// Logger hears of each change. Default: slog.Default().
	Logger *slog.Logger
	// Metrics gets the metrics muster_tracker_…. Default: none.
	Metrics prometheus.Registerer
}

// Validate refuses what can't work, with claimer.ErrInvalid.
func (c TrackerConfig) Validate() error {
	if c.Claimer == "" {
		return invalid("tracker", "no Claimer: name the input that gives the claimer")
	}
	config := c.config(noClaimer{})
	if config.Duration == 0 {
		config.Duration = max(time.Hour, 4*config.Margin) // known when the Claimer is there
	}
	return config.Validate()
}

// noClaimer stands for the Claimer that isn't there yet.
type noClaimer struct{ claimer.Claimer }

func (c TrackerConfig) config(cl claimer.Claimer) tracker.Config {
	return tracker.Config{
		Claimer: cl, Candidate: c.Candidate, Duration: c.Duration, Margin: c.Margin,
		Clock: c.Clock, Logger: c.Logger, Metrics: c.Metrics,
	}
}

// Tracker is the manifold of a *tracker.Worker on the Claimer of its input. It is ready, see
// AfterReady, once the Claimer has answered for the first time. When it is killed it lowers, waits
// for guarded work while it goes on renewing the claim, and releases it.
//
// Output: *tracker.Tracker, *Election and *Readier.
func Tracker(config TrackerConfig) dependency.Manifold {
	if err := config.Validate(); err != nil {
		return refused(err)
	}
	return dependency.Manifold{
		Inputs: []string{config.Claimer},
		Start: func(_ context.Context, getter dependency.Getter) (worker.Worker, error) {
			return startTracker(getter, config)
		},
		Output: output(func(w *trackerWorker) []offer {
			stand := election{w.Worker}
			return []offer{as[tracker.Tracker](stand), as[Election](stand), as[Readier](readiness(w.ready))}
		}),
	}
}

// trackerWorker is a tracker that is counted among the users of its Claimer until it has ended.
type trackerWorker struct {
	*tracker.Worker
	ready <-chan struct{}
	done  chan struct{}
}

func startTracker(getter dependency.Getter, c TrackerConfig) (worker.Worker, error) {
	cl, err := Get[claimer.Claimer](getter, c.Claimer)
	if err != nil {
		return nil, err
	}
	config := c.config(cl)
	if bounded, ok := cl.(interface{ MaxDuration() time.Duration }); ok {
		most := bounded.MaxDuration() / 2
		if config.Duration == 0 {
			config.Duration = most
		}
		if config.Duration > most {
			return nil, invalid("tracker", "of election %q: claims for twice the duration %v are too long for input %q: use at most %v, or a longer ttl there",
				c.Candidate.Name, config.Duration, c.Claimer, most)
		}
	}
	if config.Duration == 0 {
		return nil, invalid("tracker", "of election %q: input %q doesn't say how long claims may be: set Duration", c.Candidate.Name, c.Claimer)
	}
	if config.Clock == nil {
		if clk, err := Get[clock.Clock](getter, c.Claimer); err == nil {
			config.Clock = clk
		}
	}
	leave, err := standOn(getter, c.Claimer)
	if err != nil {
		return nil, err
	}
	w, err := tracker.New(config)
	if err != nil {
		leave()
		return nil, fmt.Errorf("on input %q: %w", c.Claimer, err)
	}
	// Before the Claimer's very first answer, this ticket waits for it.
	t := &trackerWorker{Worker: w, ready: w.ClaimLeader().Ready(), done: make(chan struct{})}
	go func() {
		defer close(t.done)
		_ = w.Wait() // Wait tells it
		leave()
	}()
	return t, nil
}

// Wait implements worker.Worker.
func (t *trackerWorker) Wait() error {
	<-t.done
	return t.Worker.Wait()
}

// Ready implements Readier.
func (t *trackerWorker) Ready() <-chan struct{} { return t.ready }
