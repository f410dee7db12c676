package etcdstore

import (
	"context"
	"errors"
	"fmt"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/muster-go/muster/store"
)

// manner says how a request may be made.
type manner bool

const (
	once   manner = false // it must not be done twice
	repeat manner = true  // doing it twice is as good
)

// ask makes one request, which ends with ctx and with the driver. Where another member of the cluster
// may do better, it is tried. The error says what became of the request: see fault.
func ask[Q, A any](ctx context.Context, d *driver, what string, how manner, method func(context.Context, *Q, ...grpc.CallOption) (*A, error), request *Q) (*A, error) {
	if err := d.mayBegin(ctx, what); err != nil {
		return nil, err
	}
	c := d.wire.newCall()
	within, cancel := context.WithCancel(clientv3.WithRequireLeader(c.mark(ctx)))
	defer cancel()
	defer context.AfterFunc(d.ctx, cancel)()
	// The client repeats what ended with one of these, a write too, for as long as its context lasts.
	noRepeat := grpc.OnFinish(func(err error) {
		if code := status.Code(err); code == codes.Canceled || code == codes.DeadlineExceeded {
			cancel()
		}
	})
	for others := len(d.cfg.Client.Endpoints()) - 1; ; others-- {
		answer, err := method(within, request, anySize, noRepeat)
		if err == nil {
			return answer, nil
		}
		if ctx.Err() != nil {
			c.givenUp()
		}
		another := errors.Is(rpctypes.Error(err), rpctypes.ErrNoLeader) || how == repeat && status.Code(err) == codes.Unavailable && c.maybeSent()
		if !another || others <= 0 || within.Err() != nil {
			return nil, d.fault(ctx, what, c.maybeSent(), err)
		}
	}
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
