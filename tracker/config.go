package tracker

import (
	"fmt"
	"io"
	"log/slog"
	"maps"
	"strings"
	"time"

	"github.com/juju/clock"
	"github.com/juju/errors"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/muster-go/muster/claimer"
	"github.com/muster-go/muster/internal/bootclock"
	"github.com/muster-go/muster/internal/chance"
)

// MinDuration is the shortest Duration of a tracker.
const MinDuration = 10 * time.Millisecond

// Config says what a tracker claims, from whom and for how long.
type Config struct {
	// Claimer grants the claims. If it also is a claimer.Keeper, claims are watched and held.
	Claimer claimer.Claimer
	// Candidate is who stands for what. Its Holder must not contain "#": the tracker adds one and a
	// random incarnation, so that two trackers with one name never extend each other's claim, nor a
	// late Release ends a later one.
	Candidate claimer.Candidate
	// Duration is what a true ticket guarantees. Claims are asked for twice that and renewed each
	// Duration. At least MinDuration.
	Duration time.Duration
	// Margin is how long before a claim's end the tracker lowers: it covers the drift of the clocks
	// and, on the default clock, bootclock.Window. Less than Duration/2. Default: Duration/20, at
	// most 100ms.
	Margin time.Duration
	// Clock tells the time; a Keeper's must be the same. Default: bootclock.Clock, which goes on
	// counting while the machine sleeps.
	Clock clock.Clock
	// Logger hears of what is retried and abandoned, and of each change. Default: slog.Default().
	Logger *slog.Logger
	// Metrics gets the metrics muster_tracker_…, until the tracker stops. Default: none.
	Metrics prometheus.Registerer
	// Rand is where the incarnation and the jitter of retries come from; it must not fail, and may be
	// read from many goroutines at once. Default: crypto/rand.Reader.
	Rand io.Reader
}

// Validate refuses what can't work: errors.Is finds claimer.ErrInvalid, and, for those who live
// with juju's errors, errors.NotValid of github.com/juju/errors.
func (c Config) Validate() error {
	fault := ""
	switch {
	case c.Claimer == nil:
		fault = "no Claimer: give it one, for example a *claimer.Queue"
	case c.Candidate.Name == "":
		fault = "the candidate has no name: name the election"
	case c.Candidate.Holder == "":
		fault = "the candidate has no holder: say who stands"
	case strings.Contains(c.Candidate.Holder, "#"):
		fault = fmt.Sprintf("the holder %q contains %q, which sets off the incarnation: leave it out", c.Candidate.Holder, "#")
	case c.Duration < MinDuration:
		fault = fmt.Sprintf("the duration %v is too short: use at least %v", c.Duration, MinDuration)
	case c.Margin < 0:
		fault = fmt.Sprintf("the margin %v is negative: leave it at 0 for the default", c.Margin)
	case c.Margin >= c.Duration/2:
		fault = fmt.Sprintf("the margin %v is not below half the duration (%v): make it shorter or the duration longer", c.Margin, c.Duration/2)
	}
	if fault == "" {
		return nil
	}
	return errors.WithType(fmt.Errorf("tracker of election %q: %s: %w", c.Candidate.Name, fault, claimer.ErrInvalid), errors.NotValid)
}

// withDefaults fills in what was left out.
func (c Config) withDefaults() Config {
	if c.Margin == 0 {
		c.Margin = min(c.Duration/20, 100*time.Millisecond)
	}
	if c.Clock == nil {
		c.Clock = bootclock.Clock
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	c.Rand = chance.Or(c.Rand)
	c.Logger = c.Logger.With("election", c.Candidate.Name, "holder", c.Candidate.Holder)
	c.Candidate.Attributes = maps.Clone(c.Candidate.Attributes)
	return c
}
