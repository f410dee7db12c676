package manifold

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"

	"github.com/juju/clock"
	"github.com/juju/worker/v4"
	"github.com/juju/worker/v4/dependency"
	"gopkg.in/tomb.v2"

	"github.com/muster-go/muster/store"
)

// StoreConfig says which store Store opens.
type StoreConfig struct {
	// URL names the store ("sqlite:///var/lib/myapp/muster.db"), and Openers the drivers that the
	// program links.
	URL     string
	Openers store.Openers
	// Options is what else the store is made of: clock, logger, metrics, drift. Its Driver comes
	// from the URL and must be nil.
	Options store.Config
	// Store is one that the program has opened, in place of all the above. It isn't closed.
	Store *store.Store
}

// Validate refuses what can't work, with store.ErrInvalid. It opens nothing.
func (c StoreConfig) Validate() error {
	if c.Store != nil {
		if c.URL != "" || c.Openers != nil || c.Options != (store.Config{}) {
			return invalid("store", "both an open Store and a URL, Openers or Options to open one with: give one of the two")
		}
		return nil
	}
	switch {
	case c.URL == "":
		return invalid("store", "no URL and no Store: name the store to open, or give an open one")
	case len(c.Openers) == 0:
		return invalid("store", "no Openers: name the drivers that %s may be opened with", store.Redact(c.URL))
	case c.Options.Driver != nil:
		return invalid("store", "Options has a Driver: the driver comes from the URL; leave it out")
	}
	options := c.Options
	options.Driver = noDriver{}
	if err := options.Validate(); err != nil {
		return err
	}
	// The URL is checked as it will be, up to where a driver would be opened.
	probes := store.Openers{}
	for scheme := range c.Openers {
		probes[scheme] = probe
	}
	if _, err := probes.Open(context.Background(), c.URL, store.Config{}); !errors.Is(err, errProbed) {
		return err
	}
	return nil
}

var errProbed = errors.New("the URL is sound")

// probe is an Opener that opens nothing.
var probe store.Opener = func(_ context.Context, _ *url.URL, _ store.Clock) (store.Driver, error) { return nil, errProbed }

// noDriver stands for the driver that isn't open yet.
type noDriver struct{ store.Driver }

// Store is the manifold of a *store.Store. Its Start opens the store and makes sure that it
// answers; outages after that are for the store to bear. When it is killed it waits for the
// manifolds of this package that stand on it and closes the store, which takes at most
// Options.CallTimeout though the driver may hang.
//
// Output: **store.Store, and *clock.Clock, the clock on which the store counts.
func Store(config StoreConfig) dependency.Manifold {
	if err := config.Validate(); err != nil {
		return refused(err)
	}
	return dependency.Manifold{
		Start: func(ctx context.Context, _ dependency.Getter) (worker.Worker, error) {
			return startStore(ctx, config)
		},
		Output: output(func(w *storeWorker) []offer {
			return []offer{as(w.store), as[clock.Clock](w.store.Clock()), hidden(w.users)}
		}),
	}
}

// storeWorker keeps a store open.
type storeWorker struct {
	tomb   tomb.Tomb
	config StoreConfig
	store  *store.Store
	users  *users
}

func startStore(ctx context.Context, config StoreConfig) (worker.Worker, error) {
	w := &storeWorker{config: config, store: config.Store, users: newUsers()}
	if w.store == nil {
		st, err := config.Openers.Open(ctx, config.URL, config.Options)
		if err != nil {
			return nil, err
		}
		if err := st.Ping(ctx); err != nil {
			return nil, fmt.Errorf("store %s: %w", store.Redact(config.URL), errors.Join(err, st.Close()))
		}
		w.store = st
	}
	w.tomb.Go(w.run)
	return w, nil
}

func (w *storeWorker) run() error {
	<-w.tomb.Dying()
	w.users.close()
	if w.config.Store != nil {
		return nil
	}
	if err := w.store.Close(); err != nil {
		logger(w.config.Options.Logger).Warn("the store wasn't closed cleanly", "store", store.Redact(w.config.URL), "error", err)
	}
	return nil
}

// Kill implements worker.Worker.
func (w *storeWorker) Kill() { w.tomb.Kill(nil) }

// Wait implements worker.Worker.
func (w *storeWorker) Wait() error { return w.tomb.Wait() }

// Report implements worker.Reporter.
func (w *storeWorker) Report() map[string]any {
	report := map[string]any{"users": w.users.count()}
	if w.config.URL != "" {
		report["url"] = store.Redact(w.config.URL)
	}
	return report
}

func logger(l *slog.Logger) *slog.Logger {
	if l == nil {
		return slog.Default()
	}
	return l
}
