package consulstore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/muster-go/muster/internal/bootclock"
	"github.com/muster-go/muster/store"
)

// patience bounds Open.
const patience = 5 * time.Second

// Open is the store.Opener for URLs like consul://127.0.0.1:8500/prefix; the package's documentation
// lists their parameters. It fails unless the agent, within 5 s, gives a consistent read of the prefix
// and lets the token write there. The driver logs to slog.Default().
func Open(ctx context.Context, u *url.URL, clk store.Clock) (store.Driver, error) {
	a, err := parseURL(u)
	if err != nil {
		return nil, err
	}
	if clk == nil {
		clk = bootclock.Clock
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer clk.AfterFunc(patience, func() { cancel(errNoAnswer) }).Stop()
	d, err := newDriver(a, clk)
	if err != nil {
		return nil, err
	}
	if err := d.ping(ctx); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	d.limits = limitsFor(cmp.Or(a.minTTL, d.learnMinTTL(ctx)))
	return d, nil
}

func newDriver(a address, clk store.Clock) (*driver, error) {
	d := &driver{
		a: a, name: "consul " + a.host, transport: a.newTransport(), requests: new(atomic.Int64),
		clk: clk, log: slog.Default(),
	}
	var err error
	if d.client, err = a.newClient(d.transport, d.requests); err != nil {
		return nil, fmt.Errorf("store URL %q: %v: check the environment variables CONSUL_…: %w", a.shown, err, store.ErrInvalid)
	}
	d.ctx, d.cancel = context.WithCancel(context.Background())
	d.hub = hub{d: d, feeds: map[string]*feed{}}
	return d, nil
}

// ping makes a consistent read, and a write that changes nothing.
func (d *driver) ping(ctx context.Context) error {
	if _, err := d.newest(ctx); err != nil {
		return err
	}
	return d.ask(ctx, "write", callTime, func(ctx context.Context) error {
		_, _, err := d.client.KV().DeleteCAS(&api.KVPair{Key: d.a.root() + nowhere, ModifyIndex: 1}, d.writing(ctx))
		return err
	})
}

// learnMinTTL asks the agent for the shortest session, which it tells whom it lets read its
// configuration. Its servers decide; where they have a longer one, Grant says so.
func (d *driver) learnMinTTL(ctx context.Context) time.Duration {
	shortest := usualMinTTL
	err := d.ask(ctx, "read the agent's configuration", callTime, func(ctx context.Context) error {
		var self map[string]map[string]any
		if _, err := d.client.Raw().Query("/v1/agent/self", &self, (&api.QueryOptions{}).WithContext(ctx)); err != nil {
			return err
		}
		text, _ := self["DebugConfig"]["SessionTTLMin"].(string)
		if ttl, err := time.ParseDuration(text); err == nil && ttl > 0 {
			shortest = ttl
		}
		return nil
	})
	if err != nil {
		d.log.Debug("Consul's agent doesn't tell its shortest session", "store", d.name, "assumed", shortest, "err", err)
	}
	return shortest
}
