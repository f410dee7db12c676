package etcdstore_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc"

	"github.com/muster-go/muster/internal/bootclock"
	"github.com/muster-go/muster/internal/etcdtest"
	"github.com/muster-go/muster/store"
	"github.com/muster-go/muster/store/etcdstore"
)

// names gives the keys of an event's records.
func names(e seen) []string {
	keys := []string{}
	for _, r := range e.Records {
		keys = append(keys, r.Key)
	}
	return keys
}

func TestAWatchThatMissedMoreThanEtcdKeepsReadsAnew(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	d := l.open(t)
	defer func() { require.NoError(t, d.Close()) }()
	gone := create(t, d, "gone", "")
	w := watch(t, d, "")
	d.proxy.Cut()
	w.wait(t, store.EventStale)
	other := l.open(t)
	defer func() { require.NoError(t, other.Close()) }()
	create(t, other, "new", "")
	o := apply(t, other, store.Write{Kind: store.Delete, Key: "gone", If: gone})
	require.NoError(t, o.Err)
	_, err := l.Client().Compact(t.Context(), int64(o.Rev))
	require.NoError(t, err)
	d.proxy.Heal()
	assert.Equal(t, []string{"new"}, names(w.wait(t, store.EventReset)))
	create(t, other, "later", "")
	assert.Equal(t, "later", w.wait(t, store.EventPut).Record.Key)
}

// A watch that went on from the revision that it knew would wait in vain, or miss what happened
// before it.
func TestAStoreThatWasWipedOrRestoredAndHasOutgrownWhatWasKnownIsAReset(t *testing.T) {
	for name, lose := range map[string]func(l *lab, older etcdtest.Snapshot){
		"wiped":    func(l *lab, _ etcdtest.Snapshot) { l.Wipe() },
		"restored": func(l *lab, older etcdtest.Snapshot) { l.Restore(older) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			older := l.Snapshot()
			d := l.open(t)
			defer func() { require.NoError(t, d.Close()) }()
			create(t, d, "old", "")
			w := watch(t, d, "")
			known := create(t, d, "old-too", "")
			w.wait(t, store.EventPut)
			d.proxy.Cut()
			w.wait(t, store.EventStale)
			lose(l, older)
			other := l.open(t)
			defer func() { require.NoError(t, other.Close()) }()
			create(t, other, "new", "")
			client := l.Client()
			for rev := int64(0); rev <= int64(known)+10; {
				put, err := client.Put(t.Context(), "elsewhere", "")
				require.NoError(t, err)
				rev = put.Header.Revision
			}
			d.proxy.Heal()
			assert.Equal(t, []string{"new"}, names(w.wait(t, store.EventReset)))
			create(t, other, "later", "")
			assert.Equal(t, "later", w.wait(t, store.EventPut).Record.Key)
		})
	}
}

// backwards is a server whose revision can be set, and whose watches never break.
type backwards struct {
	old
	pb.UnimplementedWatchServer
	rev *atomic.Int64
}

func (b backwards) Range(context.Context, *pb.RangeRequest) (*pb.RangeResponse, error) {
	return &pb.RangeResponse{Header: &pb.ResponseHeader{Revision: b.rev.Load()}}, nil
}

func (b backwards) Watch(stream pb.Watch_WatchServer) error {
	for {
		request, err := stream.Recv()
		if err != nil {
			return err
		}
		if create := request.GetCreateRequest(); create != nil {
			if err := stream.Send(&pb.WatchResponse{Header: &pb.ResponseHeader{}, WatchId: create.WatchId, Created: true}); err != nil {
				return err
			}
		}
	}
}

func TestARevisionThatRunsBackwardsResetsWatchesWhoseStreamDidNotBreak(t *testing.T) {
	t.Parallel()
	var rev atomic.Int64
	rev.Store(10)
	b := backwards{old: old{version: "3.7.3"}, rev: &rev}
	d := open(t, etcdtest.URL("", serve(t, func(s *grpc.Server) {
		pb.RegisterMaintenanceServer(s, b)
		pb.RegisterKVServer(s, b)
		pb.RegisterWatchServer(s, b)
	})))
	defer func() { require.NoError(t, d.Close()) }()
	one, two := watch(t, d, "a/"), watch(t, d, "b")
	rev.Store(5)
	snapshot, err := d.List(t.Context(), "c")
	require.NoError(t, err)
	require.EqualValues(t, 5, snapshot.Rev)
	for _, w := range []*watching{one, two} {
		assert.EqualValues(t, 5, w.wait(t, store.EventReset).Rev)
		assert.NotContains(t, w.kinds(), store.EventStale)
	}
}

// gRPC alone would notice it after 13 s.
func TestABlackHoleIsNoticedSoonWhereASessionIsRenewed(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	d := l.open(t)
	st, err := store.New(store.Config{Driver: d, Fresh: true, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	defer func() { require.NoError(t, st.Close()) }()
	session, err := st.Session(2 * time.Second)
	require.NoError(t, err)
	lease, err := session.Lease(t.Context())
	require.NoError(t, err)
	w := watch(t, d, "")
	frozen := bootclock.Clock.Now()
	d.proxy.BlackHole()
	stale := w.wait(t, store.EventStale)
	assert.False(t, stale.Since.After(stale.at))
	took := stale.at.Sub(frozen)
	t.Logf("noticed after %v", took)
	assert.Less(t, took, 9*time.Second)
	<-lease.Lost()
	healed := bootclock.Clock.Now()
	d.proxy.Heal()
	back := w.wait(t, store.EventReset)
	t.Logf("back after %v", back.at.Sub(healed))
	_, err = session.Lease(t.Context())
	require.NoError(t, err)
	t.Logf("a new lease after %v", bootclock.Clock.Now().Sub(healed))
}

func TestAReceiverThatIsFarBehindReadsAnewAndHoldsUpNobody(t *testing.T) {
	t.Parallel()
	server := etcdtest.Start(t, etcdtest.Settings{})
	d := open(t, server.URL("muster"))
	defer func() { require.NoError(t, d.Close()) }()
	slow, release := slowWatch(t, d)
	fast := watch(t, d, "last")
	client := server.Client()
	for i := range 100 {
		var ops []clientv3.Op
		for j := range 110 {
			ops = append(ops, clientv3.OpPut(fmt.Sprintf("muster/%d", j), fmt.Sprint(i)))
		}
		_, err := client.Txn(t.Context()).Then(ops...).Commit()
		require.NoError(t, err)
	}
	create(t, d, "last", "")
	fast.wait(t, store.EventPut)
	release()
	assert.Len(t, names(slow.wait(t, store.EventReset)), 111)
	assert.NotContains(t, slow.kinds(), store.EventStale)
}

func TestWhatWaitsForAReceiverThatIsFarBehindIsBoundedInBytesToo(t *testing.T) {
	t.Parallel()
	server := etcdtest.Start(t, etcdtest.Settings{})
	d := open(t, server.URL("muster"))
	defer func() { require.NoError(t, d.Close()) }()
	slow, release := slowWatch(t, d)
	client := server.Client()
	for range 50 {
		_, err := client.Put(t.Context(), "muster/a", strings.Repeat("x", 1<<20))
		require.NoError(t, err)
	}
	require.Eventually(t, func() bool { return server.Requests()["Watch"] == 2 }, 30*time.Second, 5*time.Millisecond, "the watch is ended")
	release()
	assert.Equal(t, []string{"a"}, names(slow.wait(t, store.EventReset)))
	assert.NotContains(t, slow.kinds(), store.EventPut)
}

func TestManyWatchesShareOneStreamAndCostNothingAtRest(t *testing.T) {
	t.Parallel()
	server := etcdtest.Start(t, etcdtest.Settings{})
	d := open(t, server.URL("muster"))
	defer func() { require.NoError(t, d.Close()) }()
	const n = 500
	var watches []*watching
	for i := range n {
		watches = append(watches, watch(t, d, fmt.Sprint(i)))
	}
	require.Eventually(t, func() bool { return server.Requests()["Watch"] == n }, 30*time.Second, 5*time.Millisecond)
	before := server.Requests()
	<-bootclock.Clock.After(500 * time.Millisecond)
	assert.Equal(t, before, server.Requests())
	create(t, d, fmt.Sprint(n-1), "")
	watches[n-1].wait(t, store.EventPut)
	assert.Len(t, watches[0].kinds(), 1)
}

func TestTheEndOfAWatchIsToldToTheServerToo(t *testing.T) {
	t.Parallel()
	server := etcdtest.Start(t, etcdtest.Settings{})
	d := open(t, server.URL("muster"))
	defer func() { require.NoError(t, d.Close()) }()
	const n = 20
	for round := 1; round <= 2; round++ {
		ctx, cancel := context.WithCancel(t.Context())
		var ended sync.WaitGroup
		for i := range n {
			ended.Go(func() { assert.ErrorIs(t, d.Watch(ctx, fmt.Sprint(i), func(store.Event) {}), context.Canceled) })
		}
		messages := func() int { return server.Requests()["Watch"] }
		require.Eventually(t, func() bool { return messages() == (2*round-1)*n }, 30*time.Second, 5*time.Millisecond, "each begins")
		cancel()
		ended.Wait()
		require.Eventually(t, func() bool { return messages() == 2*round*n }, 30*time.Second, 5*time.Millisecond, "each ends")
	}
}

func TestCloseAndContextsEndWhatABlackHoleHolds(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	d := l.open(t)
	id, err := d.Grant(t.Context(), time.Minute)
	require.NoError(t, err)
	rev := create(t, d, "a", id)
	w := watch(t, d, "")
	calls := map[string]func(context.Context) error{
		"Grant":  func(ctx context.Context) error { _, err := d.Grant(ctx, time.Minute); return err },
		"Renew":  func(ctx context.Context) error { return d.Renew(ctx, id) },
		"Revoke": func(ctx context.Context) error { return d.Revoke(ctx, id) },
		"Owned":  func(ctx context.Context) error { _, err := d.Owned(ctx, id); return err },
		"List":   func(ctx context.Context) error { _, err := d.List(ctx, ""); return err },
		"Watch":  func(ctx context.Context) error { return d.Watch(ctx, "", func(store.Event) {}) },
		"Apply": func(ctx context.Context) error {
			_, err := d.Apply(ctx, []store.Write{{Kind: store.Update, Key: "a", If: rev}})
			return err
		},
	}
	d.proxy.BlackHole()
	for name, call := range calls {
		ctx, cancel := soon(50 * time.Millisecond)
		began := bootclock.Clock.Now()
		err := call(ctx)
		cancel()
		require.ErrorIs(t, err, context.DeadlineExceeded, name)
		require.NotErrorIs(t, err, store.ErrGone, name)
		assert.Less(t, bootclock.Clock.Now().Sub(began), 10*time.Second, name)
	}
	type end struct {
		name string
		err  error
	}
	ends := make(chan end, len(calls))
	for name, call := range calls {
		go func() { ends <- end{name, call(context.Background())} }()
	}
	began := bootclock.Clock.Now()
	require.NoError(t, d.Close())
	for range calls {
		e := <-ends
		require.Error(t, e.err, e.name)
		require.NotErrorIs(t, e.err, store.ErrGone, e.name)
	}
	<-w.done
	require.ErrorIs(t, w.end, store.ErrClosed)
	assert.Less(t, bootclock.Clock.Now().Sub(began), 10*time.Second)
}

func TestADriverOnAClientOfTheCallers(t *testing.T) {
	t.Parallel()
	server := etcdtest.Start(t, etcdtest.Settings{})
	client := server.Client()
	newDriver := func() store.Driver {
		d, err := etcdstore.New(etcdstore.Config{Client: client, Prefix: "muster"})
		require.NoError(t, err)
		return d
	}

	t.Run("leaves the client open", func(t *testing.T) {
		d := newDriver()
		w := watch(t, d, "")
		id, err := d.Grant(t.Context(), 2*time.Second)
		require.NoError(t, err)
		require.NoError(t, d.Renew(t.Context(), id))
		create(t, d, "a", id)
		w.wait(t, store.EventPut)
		require.NoError(t, d.Close())
		<-w.done
		require.ErrorIs(t, w.end, store.ErrClosed)
		got, err := client.Get(t.Context(), "muster/a")
		require.NoError(t, err)
		assert.Len(t, got.Kvs, 1)
	})
	t.Run("is closed by the client's end", func(t *testing.T) {
		d := newDriver()
		w := watch(t, d, "")
		require.NoError(t, client.Close())
		<-w.done
		require.ErrorIs(t, w.end, store.ErrClosed)
		_, err := d.List(t.Context(), "")
		require.ErrorIs(t, err, store.ErrClosed)
		require.NoError(t, d.Close())
	})
}
