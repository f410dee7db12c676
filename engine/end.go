package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/juju/worker/v4/dependency"
)

// freeBounces is how many quick dependency.ErrBounce in a row are restarted at once. From then on
// each waits RestartDelay, so that a worker which does nothing else doesn't burn a core.
const freeBounces = 10

// end takes note of a run's end, with the error of its worker or Start: what becomes of the node
// then, once its dependents have stopped.
func (r *run) end(err error, started bool) {
	g, n := r.n.g, r.n
	g.mu.Lock()
	r.waited = true
	killing := r.killDone
	g.mu.Unlock()
	if killing != nil {
		<-killing // no goroutine outlives its run
	}
	r.cancel()

	if filter := n.manifold.Filter; filter != nil {
		raw := err
		if panicked := guard("Filter", func() { err = filter(raw) }); panicked != nil {
			err = panicked
		}
	}
	fatal := false
	if g.config.IsFatal != nil && err != nil {
		if panicked := guard("IsFatal", func() { fatal = g.config.IsFatal(err) }); panicked != nil {
			err = errors.Join(err, panicked)
		}
	}
	is, err := meaningOf(err)
	text := textOf(err)
	now := g.config.Clock.Now()

	g.mu.Lock()
	line := n.gotEnd(r, err, is, text, started, now)
	if fatal {
		g.stop(err, "manifold "+n.name+": "+text)
	}
	g.lower(n, byItself)
	r.ended = true
	if g.lingering > 0 {
		r.pokeInputs(map[*run]bool{}) // their users don't fall to 0 where something lingers
	}
	r.release()
	n.poke()
	if !r.up {
		for _, d := range g.dependents[n.name] {
			if d.optional[n.name] {
				d.poke() // it may have waited a moment for this one
			}
		}
	}
	g.mu.Unlock()

	if fatal {
		g.config.Logger.Error("fatal: the engine stops", "manifold", n.name, "error", text)
	}
	line.logTo(g.config.Logger, n.name)
	logStack(g.config.Logger, n.name, err)
}

// gotEnd decides what the node does next; with the graph's mu held.
func (n *node) gotEnd(r *run, err error, is meaning, text string, started bool, now time.Time) line {
	g := n.g
	lasted := now.Sub(r.began)
	if r.up && now.Sub(n.lastStart) > g.config.MaxRestartDelay {
		n.failures = 0
	}
	if lasted >= g.config.RestartDelay {
		n.bounces = 0
	}
	if r.killed {
		n.stopTook = now.Sub(r.killedAt)
		if g.times != nil && started {
			g.times.stop.Observe(n.stopTook.Seconds())
		}
	}
	event := Event{Kind: EventStopped, Node: n.name, At: now}
	defer func() {
		if event.Kind != "" {
			g.publish(event)
		}
	}()
	args := []any{"lasted", lasted}

	asked := n.down && n.downWhy != byVacate && n.downWhy != byItself
	switch {
	case is.uninstall:
		n.uninstalled, n.removing = text, true
		return line{slog.LevelInfo, "uninstalled itself", args}

	case asked:
		n.cause, n.idle = causeOf(n.downWhy), ""
		event.Cause = n.cause.public()
		if n.downWhy == byRemoval || n.downWhy == byShutdown {
			event.Cause = "" // it isn't started again
		}
		if started && err != nil && !is.canceled && !is.bounce && !is.missing {
			event.Kind, event.Err = EventFailed, err
			n.noteError(text, now)
			return line{slog.LevelWarn, "failed while stopping", append(args, "error", text)}
		}

	case is.bounce, err == nil && n.down && n.downWhy == byVacate:
		n.cause, n.idle = causeBounce, ""
		event.Cause = CauseBounce
		if lasted < g.config.RestartDelay {
			n.bounces++
		}
		if n.bounces >= freeBounces {
			n.idle, n.until = StateBackoff, now.Add(g.config.RestartDelay)
		}

	case err == nil:
		n.cause, n.idle, n.failures = causeInput, StateFinished, 0

	case is.missing:
		n.cause, n.idle, n.missing = causeInput, StateBlocked, text
		n.missingErr = err

	default:
		n.failures++
		delay := g.config.backoff(n.failures)
		n.cause, n.idle, n.until = causeError, StateBackoff, now.Add(delay)
		n.noteError(text, now)
		event.Kind, event.Err, event.Cause = EventFailed, err, CauseError
		return line{slog.LevelWarn, "failed", append(args, "error", text, "failures", n.failures, "again_in", delay)}
	}
	if !started {
		event.Kind = "" // nothing stopped
		return line{}
	}
	return line{slog.LevelInfo, "stopped", args}
}

// meaning is what an error says to the engine.
type meaning struct{ uninstall, bounce, missing, canceled bool }

// meaningOf asks an error, whose own Is and Unwrap may do anything, before mu is taken. It also gives
// the error to go on with: one that panics when it is asked isn't asked again.
func meaningOf(err error) (is meaning, safe error) {
	panicked := guard("Is or Unwrap of its error", func() {
		is = meaning{
			uninstall: errors.Is(err, dependency.ErrUninstall),
			bounce:    errors.Is(err, dependency.ErrBounce),
			missing:   errors.Is(err, dependency.ErrMissing),
			canceled:  errors.Is(err, context.Canceled),
		}
	})
	if panicked != nil {
		return meaning{}, fmt.Errorf("%s: %w", textOf(err), panicked)
	}
	return is, err
}

// backoff is the wait before the restart after the n-th failure in a row.
func (c Config) backoff(n int) time.Duration {
	delay := c.MaxRestartDelay
	if n <= 30 && c.RestartDelay < c.MaxRestartDelay>>(n-1) {
		delay = c.RestartDelay << (n - 1)
	}
	return min(time.Duration(float64(delay)*(0.9+0.2*rand.Float64())), c.MaxRestartDelay)
}

// failed records an error that doesn't end a run.
func (g *graph) failed(n *node, err error) {
	text := textOf(err)
	now := g.config.Clock.Now()
	g.mu.Lock()
	n.noteError(text, now)
	g.mu.Unlock()
	logStack(g.config.Logger, n.name, err)
}

func (n *node) noteError(text string, now time.Time) { n.lastError, n.lastErrorAt = text, now }

// line is a line for the log, written once the graph's mu is free.
type line struct {
	level slog.Level
	text  string
	args  []any
}

func (l line) logTo(logger *slog.Logger, name string) {
	if l.text != "" {
		logger.With("manifold", name).Log(context.Background(), l.level, l.text, l.args...)
	}
}

// logStack logs a panic with its stack.
func logStack(logger *slog.Logger, name string, err error) {
	var p *PanicError
	_ = guard("As", func() { p, _ = errors.AsType[*PanicError](err) }) // err may be anything
	if p != nil {
		logger.Error("panic", "manifold", name, "in", p.In, "value", p.Value, "stack", string(p.Stack))
	}
}
