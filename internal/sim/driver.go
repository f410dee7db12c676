package sim

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/muster-go/muster/store"
)

// driver is a client of the store over a process's network.
type driver struct {
	n      *network
	inner  store.Driver
	closed chan struct{}
	once   sync.Once
}

// pairing is a driver that reads two prefixes in one request, as those of most services do.
type pairing struct{ *driver }

var (
	_ store.Driver     = (*driver)(nil)
	_ store.PairLister = pairing{}
)

func newDriver(n *network, inner store.Driver) *driver {
	return &driver{n: n, inner: inner, closed: make(chan struct{})}
}

// answer is what came back.
type answer[T any] struct {
	value T
	err   error
}

// do sends one request and waits for what comes back.
func do[T any](ctx context.Context, d *driver, op, key string, f func(context.Context) (T, error)) (T, error) {
	var none T
	if err := d.usable(); err != nil {
		return none, err
	}
	if err := ctx.Err(); err != nil {
		return none, fmt.Errorf("sim: %w: nothing was sent: %w", store.ErrUnreachable, err)
	}
	fate, hung := d.n.fate(op, key)
	if fate.refused {
		return none, fmt.Errorf("sim: %w: the network is down", store.ErrUnreachable)
	}
	w, p := d.n.p.w, d.n.p
	answers := make(chan answer[T], 2)
	now := w.now.Load()
	if fate.arrives {
		w.schedule(nil, now+int64(fate.there), func() {
			value, err := f(context.Background())
			w.message(p.Name, op, key, err)
			if fate.answers {
				w.schedule(p, w.now.Load()+int64(fate.back), func() { answers <- answer[T]{value, err} })
			}
		})
	}
	for _, again := range fate.again {
		w.schedule(nil, now+int64(again), func() {
			if !w.calm {
				_, err := f(context.Background())
				w.message(p.Name, op+" again", key, err)
			}
		})
	}
	if fate.broken > 0 {
		w.schedule(p, now+int64(fate.broken), func() { answers <- answer[T]{none, errLost} })
	}
	done := ctx.Done()
	if fate.deaf || fate.hangs {
		done = nil
	}
	if !fate.hangs {
		hung = nil
	}
	select {
	case a := <-answers:
		return a.value, a.err
	case <-hung:
		return none, errLost
	case <-done:
		return none, fmt.Errorf("sim: no answer: %w", ctx.Err())
	case <-d.n.gone:
		return none, errClosed()
	case <-d.closed:
		return none, errClosed()
	}
}

func errClosed() error { return fmt.Errorf("sim: %w", store.ErrClosed) }

func (d *driver) usable() error {
	select {
	case <-d.n.gone:
		return errClosed()
	case <-d.closed:
		return errClosed()
	default:
		return nil
	}
}

// void is the value of a request that has none.
type void struct{}

// Limits implements store.Driver. Expiry is told as late as the network is in good weather.
func (d *driver) Limits() store.Limits { return d.inner.Limits() }

// Proof implements store.Driver.
func (d *driver) Proof(ctx context.Context) (bool, error) {
	return do(ctx, d, "proof", "", d.inner.Proof)
}

// Grant implements store.Driver.
func (d *driver) Grant(ctx context.Context, ttl time.Duration) (store.SessionID, error) {
	return do(ctx, d, "grant", "", func(ctx context.Context) (store.SessionID, error) { return d.inner.Grant(ctx, ttl) })
}

// Renew implements store.Driver.
func (d *driver) Renew(ctx context.Context, id store.SessionID) error {
	_, err := do(ctx, d, "renew", "", func(ctx context.Context) (void, error) { return void{}, d.inner.Renew(ctx, id) })
	return err
}

// Revoke implements store.Driver.
func (d *driver) Revoke(ctx context.Context, id store.SessionID) error {
	_, err := do(ctx, d, "revoke", "", func(ctx context.Context) (void, error) { return void{}, d.inner.Revoke(ctx, id) })
	return err
}

// Owned implements store.Driver.
func (d *driver) Owned(ctx context.Context, id store.SessionID) ([]store.Record, error) {
	return do(ctx, d, "owned", "", func(ctx context.Context) ([]store.Record, error) { return d.inner.Owned(ctx, id) })
}

// Apply implements store.Driver.
func (d *driver) Apply(ctx context.Context, writes []store.Write) ([]store.Outcome, error) {
	key := ""
	if len(writes) > 0 {
		key = writes[0].Key
	}
	return do(ctx, d, "apply", key, func(ctx context.Context) ([]store.Outcome, error) { return d.inner.Apply(ctx, writes) })
}

// List implements store.Driver.
func (d *driver) List(ctx context.Context, prefix string) (store.Snapshot, error) {
	snap, err := do(ctx, d, "list", prefix, func(ctx context.Context) (store.Snapshot, error) { return d.inner.List(ctx, prefix) })
	d.n.saw(prefix, snap.Rev)
	return snap, err
}

// ListPair implements store.PairLister.
func (d pairing) ListPair(ctx context.Context, first, second string) (store.Snapshot, store.Snapshot, error) {
	both, err := do(ctx, d.driver, "pair", first, func(ctx context.Context) (both [2]store.Snapshot, err error) {
		both[0], both[1], err = d.inner.(store.PairLister).ListPair(ctx, first, second)
		return both, err
	})
	d.n.saw(first, both[0].Rev)
	d.n.saw(second, both[1].Rev)
	return both[0], both[1], err
}

// Close implements store.Driver. What was sent before still arrives, so the inner one stays open.
func (d *driver) Close() error {
	d.once.Do(func() { close(d.closed) })
	return nil
}
