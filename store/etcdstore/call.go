package etcdstore

import (
	"context"
	"fmt"

	"github.com/muster-go/muster/store"
)

// ask makes one request, which ends with ctx and with the driver. The error says what became of it:
// see fault.
func ask[A any](ctx context.Context, d *driver, what string, request func(context.Context) (A, error)) (A, error) {
	var none A
	if err := d.mayBegin(ctx, what); err != nil {
		return none, err
	}
	c := d.wire.newCall()
	within, cancel := context.WithCancel(c.mark(ctx))
	defer cancel()
	defer context.AfterFunc(d.ctx, cancel)()
	answer, err := request(within)
	if err == nil {
		return answer, nil
	}
	if ctx.Err() != nil {
		c.givenUp()
	}
	return none, d.fault(ctx, what, c.maybeSent(), err)
}

// mayBegin refuses what can't succeed any more.
func (d *driver) mayBegin(ctx context.Context, what string) error {
	if d.ctx.Err() != nil {
		return store.ErrClosed
	}
	if err := context.Cause(ctx); err != nil {
		return fmt.Errorf("%s: %s: not begun: %w (%w)", d.name, what, err, store.ErrUnreachable)
	}
	return nil
}
