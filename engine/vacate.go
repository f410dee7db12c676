package engine

import "context"

// runKey is the key of a Start's run in its context.
type runKey struct{}

// runContext carries the run.
type runContext struct {
	context.Context
	run *run
}

func (c runContext) Value(key any) any {
	if key == (runKey{}) {
		return c.run
	}
	return c.Context.Value(key)
}

// Vacate stops everything that depends on the calling worker, directly or through others, and
// returns when not one such worker or Start is left: those that are stuck are waited for, without
// limit, whether ctx ends or not. It is for a worker that guards something, as a leadership gate
// does, and must outlive what depends on it. Such a worker calls it
//
//   - when it falls by itself, before it ends (with dependency.ErrBounce, to be started again);
//   - when it is killed, before it gives up what it guards.
//
// ctx is the one that Start got, or derived from it; outside of an Engine Vacate returns at once.
// Nothing that depends on the worker is started from this call on until the next worker is up. An
// Engine that ends while a worker waits here for a stuck one leaves it running, and all that it
// stands on: see StuckError. Don't call it from Start.
func Vacate(ctx context.Context) {
	r, _ := ctx.Value(runKey{}).(*run)
	if r == nil {
		return
	}
	g := r.n.g
	g.mu.Lock()
	defer g.mu.Unlock()
	if r.n.run == r {
		g.lower(r.n, byVacate)
	}
	r.vacating++
	r.n.poke()
	for r.users > 0 {
		if r.vacated == nil {
			r.vacated = make(chan struct{})
		}
		vacated := r.vacated
		g.mu.Unlock()
		<-vacated
		g.mu.Lock()
	}
	r.vacating--
	if r.killed {
		r.killedAt = g.config.Clock.Now() // from now on it has the whole time to stop
	}
	r.n.poke()
}
