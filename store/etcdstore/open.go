package etcdstore

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	grpcbackoff "google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"

	"github.com/muster-go/muster/internal/bootclock"
	"github.com/muster-go/muster/store"
)

const (
	// patience bounds Open.
	patience = 5 * time.Second
	// connectTime is for how long gRPC tries to connect to a host that doesn't answer.
	connectTime = 2 * time.Second
	// pingEvery is the shortest that gRPC allows, and less than which servers punish.
	pingEvery = 10 * time.Second
	// pingTimeout is how long an answer to a ping may take.
	pingTimeout = 3 * time.Second
)

// errPatience is why Open gave up.
var errPatience = errors.New("no answer in time")

// Open is the store.Opener for URLs like etcd://user@h1:2379,h2:2379/prefix; the package's
// documentation lists their parameters. It fails unless one of the hosts gives a linearizable read
// within 5 s; the error has each host's own reason.
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
	defer clk.AfterFunc(patience, func() { cancel(errPatience) }).Stop()
	d, err := a.open(ctx, clk)
	if err != nil {
		return nil, err
	}
	return d, nil
}

func (a *address) open(ctx context.Context, clk store.Clock) (*driver, error) {
	if a.user != "" {
		// A client with a password asks for a token before anything else, and doesn't say why it
		// gets none: see first who is there.
		if err := a.knock(ctx, clk); err != nil {
			return nil, err
		}
	}
	d, err := a.connect(ctx, clk, a.user, a.password)
	if err != nil {
		return nil, err
	}
	if err := d.ping(ctx); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}

// knock finds out whether anybody answers, without a user.
func (a *address) knock(ctx context.Context, clk store.Clock) error {
	d, err := a.connect(ctx, clk, "", "")
	if err != nil {
		return err
	}
	if err = d.ping(ctx); errors.Is(err, store.ErrUnauthorized) {
		err = nil
	}
	return errors.Join(err, d.Close())
}

// connect makes a driver with a client of its own.
func (a *address) connect(ctx context.Context, clk store.Clock, user, password string) (*driver, error) {
	w := newWire(clk)
	// The client lives as long as its context, which is to be longer than ctx; but until it is made
	// it waits for ctx's sake.
	life, end := context.WithCancel(context.WithoutCancel(ctx)) // closing the client is as good
	stop := context.AfterFunc(ctx, end)
	options := []grpc.DialOption{
		grpc.WithContextDialer(w.dial),
		grpc.WithStatsHandler(w),
		grpc.WithConnectParams(grpc.ConnectParams{ // the defaults would wait for up to 2 minutes
			Backoff:           grpcbackoff.Config{BaseDelay: 100 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: time.Second},
			MinConnectTimeout: connectTime,
		}),
	}
	if a.serverName != "" {
		options = append(options, grpc.WithTransportCredentials(namedServer{credentials.NewTLS(a.tls), a.serverName}))
	}
	if a.passwordFile != nil {
		options = append(options, grpc.WithChainUnaryInterceptor(a.passwordFile.intercept))
	}
	client, err := clientv3.New(clientv3.Config{
		Endpoints: a.endpoints, TLS: a.tls, Username: user, Password: password,
		Context: life, Logger: zap.NewNop(),
		DialKeepAliveTime: pingEvery, DialKeepAliveTimeout: pingTimeout,
		MaxUnaryRetries: 5, BackoffWaitBetween: 50 * time.Millisecond, // for new tokens
		DialOptions: options,
	})
	if err == nil && !stop() { // ctx ended meanwhile, and the client's life with it
		err = errors.Join(context.Cause(ctx), client.Close())
	}
	if err != nil {
		end()
		return nil, a.refusedEntry(ctx, user, err)
	}
	d := newDriver(Config{Client: client, Prefix: a.prefix, Clock: clk}.withDefaults(), w)
	return d, nil
}

// refusedEntry says why there is no client.
func (a *address) refusedEntry(ctx context.Context, user string, err error) error {
	err = explain(err, a.prefix, user != "")
	who := ""
	if user != "" {
		who = fmt.Sprintf("user %q: ", user)
	}
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if !errors.Is(err, store.ErrUnauthorized) && !errors.Is(err, store.ErrInvalid) {
		err = fmt.Errorf("%w (%w)", err, store.ErrUnreachable)
	}
	return fmt.Errorf("etcd: %s: %s%w", strings.Join(a.endpoints, ","), who, err)
}
