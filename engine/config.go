package engine

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/juju/clock"
	"github.com/juju/errors"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/muster-go/muster/internal/bootclock"
)

// The defaults of a Config.
const (
	DefaultStopTimeout     = 10 * time.Second
	DefaultRestartDelay    = 100 * time.Millisecond
	DefaultMaxRestartDelay = 30 * time.Second
)

// Config says how an Engine runs its manifolds. The zero Config works.
type Config struct {
	// Clock tells the time. Default: bootclock.Clock, which goes on counting while the machine sleeps.
	Clock clock.Clock
	// Logger hears of what starts, stops, fails and is stuck. Default: slog.Default().
	Logger *slog.Logger
	// Metrics gets the metrics muster_engine_…, until the engine ends. Engines that share a registry
	// need a label each: prometheus.WrapRegistererWith. A clash is logged, and the engine runs without
	// metrics. Default: none.
	Metrics prometheus.Registerer
	// StopTimeout is after how long a worker that doesn't stop, or a Start that doesn't return though
	// its context ended, is named as stuck: the rest goes on without it. A Start that merely takes
	// longer is warned of, once. Default: DefaultStopTimeout.
	StopTimeout time.Duration
	// RestartDelay is the wait before the restart after a failure. It doubles (give or take a tenth)
	// with each failure in a row, up to MaxRestartDelay. Default: DefaultRestartDelay.
	RestartDelay time.Duration
	// MaxRestartDelay is the longest such wait; a worker that ran for longer than this begins at
	// RestartDelay again. Default: DefaultMaxRestartDelay, or RestartDelay if that is longer.
	MaxRestartDelay time.Duration
	// IsFatal says which errors of workers and Starts, as their Filter leaves them, end the engine:
	// all is stopped in order and Wait returns the first. Default: none is.
	IsFatal func(error) bool
}

// Validate refuses what can't work; errors.NotValid of github.com/juju/errors is in the chain.
func (c Config) Validate() error {
	fault := ""
	switch {
	case c.StopTimeout < 0:
		fault = fmt.Sprintf("the StopTimeout %v is negative: leave it at 0 for %v", c.StopTimeout, DefaultStopTimeout)
	case c.RestartDelay < 0:
		fault = fmt.Sprintf("the RestartDelay %v is negative: leave it at 0 for %v", c.RestartDelay, DefaultRestartDelay)
	case c.MaxRestartDelay < 0:
		fault = fmt.Sprintf("the MaxRestartDelay %v is negative: leave it at 0 for %v", c.MaxRestartDelay, DefaultMaxRestartDelay)
	case c.MaxRestartDelay > 0 && c.MaxRestartDelay < c.withDefaults().RestartDelay:
		fault = fmt.Sprintf("the MaxRestartDelay %v is below the RestartDelay %v: raise it or lower the other",
			c.MaxRestartDelay, c.withDefaults().RestartDelay)
	}
	if fault == "" {
		return nil
	}
	return errors.WithType(fmt.Errorf("engine: %s", fault), errors.NotValid)
}

// withDefaults fills in what was left out.
func (c Config) withDefaults() Config {
	if c.Clock == nil {
		c.Clock = bootclock.Clock
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.StopTimeout == 0 {
		c.StopTimeout = DefaultStopTimeout
	}
	if c.RestartDelay == 0 {
		c.RestartDelay = DefaultRestartDelay
	}
	if c.MaxRestartDelay == 0 {
		c.MaxRestartDelay = max(DefaultMaxRestartDelay, c.RestartDelay)
	}
	return c
}
