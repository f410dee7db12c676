package engine

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/juju/clock"
	"github.com/juju/worker/v4"
	"github.com/juju/worker/v4/dependency"
)

// newHost starts the juju engine that owns the nodes.
func newHost(config Config) (*dependency.Engine, error) {
	return dependency.NewEngine(dependency.EngineConfig{
		IsFatal:    func(error) bool { return false }, // a node ends with ErrUninstall or nil
		WorstError: func(err, _ error) error { return err },
		Clock:      hostClock{config.Clock},
		Metrics:    dependency.DefaultMetrics(),
		Logger:     hostLogger{config.Logger},
	})
}

// hostNode gives a node to the host, which runs its loop. It has a name of its own there, for the
// host may not have heard yet that an earlier node of this name has gone.
func (e *Engine) hostNode(n *node) error {
	return e.host.Install(fmt.Sprintf("%s#%d", n.name, e.installs.Add(1)), dependency.Manifold{
		Start: func(context.Context, dependency.Getter) (worker.Worker, error) { return n, nil },
	})
}

// hostClock spares the host's timers: it only ever waits for no time at all.
type hostClock struct{ clock.Clock }

func (c hostClock) After(d time.Duration) <-chan time.Time {
	if d > 0 {
		return c.Clock.After(d)
	}
	return passed
}

// passed is always ready.
var passed = func() <-chan time.Time {
	ch := make(chan time.Time)
	close(ch)
	return ch
}()

// hostLogger passes on what the host finds wrong. The rest says the engine itself.
type hostLogger struct{ *slog.Logger }

func (hostLogger) Tracef(string, ...any) {}
func (hostLogger) Debugf(string, ...any) {}
func (hostLogger) Infof(string, ...any)  {}
func (l hostLogger) Errorf(format string, args ...any) {
	l.Error("juju's engine: " + fmt.Sprintf(format, args...))
}
