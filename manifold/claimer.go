package manifold

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/juju/clock"
	"github.com/juju/worker/v4"
	"github.com/juju/worker/v4/dependency"
	"gopkg.in/tomb.v2"

	"github.com/muster-go/muster/claimer"
	"github.com/muster-go/muster/store"
)

// ClaimerConfig says on which store Claimer claims, and for how long.
type ClaimerConfig struct {
	// Store is the name of the input that gives the **store.Store, for example one made by Store.
	Store string
	// TTL is how long a holder that stopped answering keeps its claims; see claimer.Config. All
	// elections with the same TTL share one session, and may as well share one Claimer.
	TTL time.Duration
	// Logger gets what happens to claims. Default: slog.Default().
	Logger *slog.Logger
}

// Validate refuses what can't work, with claimer.ErrInvalid. Whether the store can keep the TTL is
// known only when it is open: Start says so.
func (c ClaimerConfig) Validate() error {
	switch {
	case c.Store == "":
		return invalid("claimer", "no Store: name the input that gives the store")
	case c.TTL <= 0:
		return invalid("claimer", "ttl %v: must be greater than 0", c.TTL)
	}
	return nil
}

// Claimer is the manifold of a *claimer.Queue on the store of its input. When it is killed it waits
// for the manifolds of this package that stand on it, withdraws every candidacy and gives the
// session up, for which it takes at most two seconds.
//
// Output: *claimer.Claimer and *claimer.Keeper, for who claims; **claimer.Queue, for who reads; and
// *clock.Clock, the clock on which claims are counted. Any manifold whose Output gives a
// *claimer.Claimer can take its place.
func Claimer(config ClaimerConfig) dependency.Manifold {
	if err := config.Validate(); err != nil {
		return refused(err)
	}
	return dependency.Manifold{
		Inputs: []string{config.Store},
		Start: func(_ context.Context, getter dependency.Getter) (worker.Worker, error) {
			return startClaimer(getter, config)
		},
		Output: output(func(w *claimerWorker) []offer {
			return []offer{
				as[claimer.Claimer](w.queue), as[claimer.Keeper](w.queue), as(w.queue),
				as(w.clock), hidden(w.users),
			}
		}),
	}
}

// claimerWorker keeps a queue open.
type claimerWorker struct {
	tomb  tomb.Tomb
	queue *claimer.Queue
	clock clock.Clock
	ttl   time.Duration
	users *users
	leave func() // the store's users
}

func startClaimer(getter dependency.Getter, config ClaimerConfig) (worker.Worker, error) {
	st, err := Get[*store.Store](getter, config.Store)
	if err != nil {
		return nil, err
	}
	leave, err := standOn(getter, config.Store)
	if err != nil {
		return nil, err
	}
	queue, err := claimer.New(claimer.Config{Store: st, TTL: config.TTL, Logger: config.Logger})
	if err != nil {
		leave()
		return nil, fmt.Errorf("on input %q: %w", config.Store, err)
	}
	w := &claimerWorker{queue: queue, clock: st.Clock(), ttl: config.TTL, users: newUsers(), leave: leave}
	w.tomb.Go(w.run)
	return w, nil
}

func (w *claimerWorker) run() error {
	defer w.leave()
	<-w.tomb.Dying()
	w.users.close()
	return w.queue.Close()
}

// Kill implements worker.Worker.
func (w *claimerWorker) Kill() { w.tomb.Kill(nil) }

// Wait implements worker.Worker.
func (w *claimerWorker) Wait() error { return w.tomb.Wait() }

// Report implements worker.Reporter.
func (w *claimerWorker) Report() map[string]any {
	return map[string]any{"ttl": w.ttl.String(), "users": w.users.count()}
}
