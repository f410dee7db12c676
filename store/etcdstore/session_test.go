package etcdstore_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"
	"google.golang.org/grpc"

	"github.com/muster-go/muster/internal/bootclock"
	"github.com/muster-go/muster/internal/etcdtest"
	"github.com/muster-go/muster/store"
)

func TestATTLThatTheClusterCantKeepIsRefusedWithArithmetic(t *testing.T) {
	t.Parallel()
	server := etcdtest.Start(t, etcdtest.Settings{Adjust: func(cfg *embed.Config) { cfg.TickMs, cfg.ElectionMs = 200, 2000 }})
	d := open(t, server.URL("muster"))
	defer func() { require.NoError(t, d.Close()) }()
	_, err := d.Grant(t.Context(), 2*time.Second)
	require.ErrorIs(t, err, store.ErrInvalid)
	for _, want := range []string{"ttl 2s", "shortest lease is 3s", "1.5 × its election timeout", "use at least 3s", "at most 7s"} {
		assert.ErrorContains(t, err, want)
	}
	leases, err := server.Client().Leases(t.Context())
	require.NoError(t, err)
	assert.Empty(t, leases.Leases, "the lease that nobody wants was revoked")
	id, err := d.Grant(t.Context(), 2500*time.Millisecond)
	require.NoError(t, err, "it is rounded up to 3s")
	require.NoError(t, d.Renew(t.Context(), id))
}

func TestAThousandRenewalsShareOneStreamAndEachGetsItsOwnAnswer(t *testing.T) {
	t.Parallel()
	server := etcdtest.Start(t, etcdtest.Settings{})
	d := open(t, server.URL("muster"))
	defer func() { require.NoError(t, d.Close()) }()
	alive, err := d.Grant(t.Context(), time.Minute)
	require.NoError(t, err)
	gone, err := d.Grant(t.Context(), time.Minute)
	require.NoError(t, err)
	require.NoError(t, d.Revoke(t.Context(), gone))
	type answer struct {
		gone bool
		err  error
	}
	answers := make(chan answer, 1000)
	before := server.Requests()["LeaseKeepAlive"]
	for i := range 1000 {
		go func() {
			if i%2 == 0 {
				answers <- answer{false, d.Renew(context.Background(), alive)}
			} else {
				answers <- answer{true, d.Renew(context.Background(), gone)}
			}
		}()
	}
	for range 1000 {
		a := <-answers
		if a.gone {
			require.ErrorIs(t, a.err, store.ErrSessionGone)
		} else {
			require.NoError(t, a.err)
		}
	}
	assert.Equal(t, 1000, server.Requests()["LeaseKeepAlive"]-before)
}

func TestARenewalAfterALateOneGoesAnotherWay(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	d := l.open(t)
	defer func() { require.NoError(t, d.Close()) }()
	id, err := d.Grant(t.Context(), time.Minute)
	require.NoError(t, err)
	require.NoError(t, d.Renew(t.Context(), id))
	d.proxy.BlackHole()
	// What store does: it gives each renewal up after a while.
	for range 3 {
		ctx, cancel := soon(700 * time.Millisecond)
		err := d.Renew(ctx, id)
		cancel()
		require.Error(t, err) // its time is over, or, first on a slow machine, the connection's that is silent
		require.NotErrorIs(t, err, store.ErrGone)
	}
	d.proxy.Heal()
	healed := bootclock.Clock.Now()
	require.Eventually(t, func() bool {
		ctx, cancel := soon(700 * time.Millisecond)
		defer cancel()
		return d.Renew(ctx, id) == nil
	}, 30*time.Second, 5*time.Millisecond)
	t.Logf("renewed %v after the black hole", bootclock.Clock.Now().Sub(healed))
}

func TestOwnedReadsMoreKeysThanOneRequestHolds(t *testing.T) {
	t.Parallel()
	server := etcdtest.Start(t, etcdtest.Settings{})
	d := open(t, server.URL("muster"))
	defer func() { require.NoError(t, d.Close()) }()
	id, err := d.Grant(t.Context(), time.Minute)
	require.NoError(t, err)
	_, err = server.Client().Put(t.Context(), "not-ours", "", clientv3.WithLease(leaseID(t, id)))
	require.NoError(t, err)
	for i := range 300 {
		create(t, d, strings.Repeat("x", i+1), id)
	}
	owned, err := d.Owned(t.Context(), id)
	require.NoError(t, err)
	assert.Len(t, owned, 300)
}

func TestASessionNameThatIsNoLeaseIsGone(t *testing.T) {
	t.Parallel()
	server := etcdtest.Start(t, etcdtest.Settings{})
	d := open(t, server.URL("muster"))
	defer func() { require.NoError(t, d.Close()) }()
	for _, id := range []store.SessionID{"", "0", "x", "123456789012345678901234567890"} {
		require.ErrorIs(t, d.Renew(t.Context(), id), store.ErrSessionGone, "%q", id)
		require.NoError(t, d.Revoke(t.Context(), id), "%q", id)
		owned, err := d.Owned(t.Context(), id)
		require.NoError(t, err, "%q", id)
		require.Empty(t, owned, "%q", id)
	}
}

// crossed answers renewals as etcd's gRPC proxy may: each two in the wrong order, and after them one
// that nobody asked for. Of the sessions, those with an odd name are gone.
type crossed struct{ old }

func (crossed) LeaseKeepAlive(stream pb.Lease_LeaseKeepAliveServer) error {
	for {
		var ids []int64
		for range 2 {
			request, err := stream.Recv()
			if err != nil {
				return err
			}
			ids = append(ids, request.ID)
		}
		for _, id := range []int64{ids[1], ids[0], 99} {
			if err := stream.Send(&pb.LeaseKeepAliveResponse{Header: &pb.ResponseHeader{}, ID: id, TTL: 2 * (1 - id%2)}); err != nil {
				return err
			}
		}
	}
}

func TestAnAnswerToARenewalIsForTheSessionThatItNames(t *testing.T) {
	t.Parallel()
	c := crossed{old{version: "3.7.3"}}
	d := open(t, etcdtest.URL("", serve(t, func(s *grpc.Server) {
		pb.RegisterMaintenanceServer(s, c)
		pb.RegisterKVServer(s, c)
		pb.RegisterLeaseServer(s, c)
	})))
	defer func() { require.NoError(t, d.Close()) }()
	for range 10 {
		var both sync.WaitGroup
		both.Go(func() { assert.NoError(t, d.Renew(context.Background(), "a")) })
		both.Go(func() { assert.ErrorIs(t, d.Renew(context.Background(), "b"), store.ErrSessionGone) })
		both.Wait()
	}
}
