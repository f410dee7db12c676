package etcdstore_test

import (
	"context"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"github.com/muster-go/muster/internal/etcdtest"
	"github.com/muster-go/muster/store"
)

// watched is a server at revision 1 that does with each watch, the first being 1, what the test says.
type watched struct {
	old
	pb.UnimplementedWatchServer
	serve func(n int, asked *pb.WatchCreateRequest, send func(*pb.WatchResponse)) // after Created was sent
}

func (w watched) Watch(stream pb.Watch_WatchServer) error {
	for n := 0; ; {
		request, err := stream.Recv()
		if err != nil {
			return err
		}
		asked := request.GetCreateRequest()
		if asked == nil {
			continue
		}
		n++
		send := func(response *pb.WatchResponse) {
			response.Header, response.WatchId = &pb.ResponseHeader{}, asked.WatchId
			_ = stream.Send(response) // Recv says if it is over
		}
		send(&pb.WatchResponse{Created: true})
		w.serve(n, asked, send)
	}
}

// openWatched opens a driver on such a server.
func openWatched(t *testing.T, w watched) store.Driver {
	t.Helper()
	d := open(t, etcdtest.URL("", serve(t, func(s *grpc.Server) {
		pb.RegisterMaintenanceServer(s, w)
		pb.RegisterKVServer(s, w)
		pb.RegisterWatchServer(s, w)
	})))
	t.Cleanup(func() { assert.NoError(t, d.Close()) })
	return d
}

// At the present revision a watch begins among those that are behind, which etcd serves every 100 ms.
func TestAWatchBeginsAtTheRevisionAfterItsRead(t *testing.T) {
	t.Parallel()
	from := make(chan int64, 10)
	d := openWatched(t, watched{old: old{version: "3.7.3"}, serve: func(_ int, asked *pb.WatchCreateRequest, _ func(*pb.WatchResponse)) {
		from <- asked.StartRevision
	}})
	watch(t, d, "a/")
	select {
	case rev := <-from:
		assert.EqualValues(t, 2, rev)
	case <-time.After(60 * time.Second):
		t.Fatal("no watch was asked for")
	}
}

// A compaction between the read and the watch takes away what the watch asks for.
func TestAWatchThatIsCompactedAwayReadsAnew(t *testing.T) {
	t.Parallel()
	d := openWatched(t, watched{old: old{version: "3.7.3"}, serve: func(n int, _ *pb.WatchCreateRequest, send func(*pb.WatchResponse)) {
		if n > 1 {
			return
		}
		send(&pb.WatchResponse{Canceled: true, CompactRevision: 7})
		// No server does this: a driver that goes on with the watch betrays itself.
		send(&pb.WatchResponse{Events: []*mvccpb.Event{{Kv: &mvccpb.KeyValue{Key: []byte("a/b"), ModRevision: 8}}}})
	}})
	w := watch(t, d, "a/")
	assert.Equal(t, store.EventReset, w.wait(t, store.EventReset, store.EventPut).Kind)
}

// deposed is a cluster whose first leader has lost its place without knowing it: it still tells what a
// lease owns.
type deposed struct {
	old
	asked *atomic.Int64
}

func (d deposed) LeaseTimeToLive(context.Context, *pb.LeaseTimeToLiveRequest) (*pb.LeaseTimeToLiveResponse, error) {
	if d.asked.Add(1) == 1 {
		return &pb.LeaseTimeToLiveResponse{Header: &pb.ResponseHeader{RaftTerm: 1}}, nil
	}
	return &pb.LeaseTimeToLiveResponse{Header: &pb.ResponseHeader{RaftTerm: 2}, Keys: [][]byte{[]byte("a")}}, nil
}

func (deposed) Txn(_ context.Context, request *pb.TxnRequest) (*pb.TxnResponse, error) {
	response := &pb.TxnResponse{Header: &pb.ResponseHeader{Revision: 1, RaftTerm: 2}}
	for range request.Success {
		response.Responses = append(response.Responses, &pb.ResponseOp{Response: &pb.ResponseOp_ResponseTxn{ResponseTxn: &pb.TxnResponse{
			Responses: []*pb.ResponseOp{{Response: &pb.ResponseOp_ResponseRange{ResponseRange: &pb.RangeResponse{
				Kvs: []*mvccpb.KeyValue{{Key: []byte("a"), Lease: 7}},
			}}}},
		}}})
	}
	return response, nil
}

func TestWhatALeaseOwnsIsReadUnderOneLeader(t *testing.T) {
	t.Parallel()
	s := deposed{old: old{version: "3.7.3"}, asked: new(atomic.Int64)}
	d := open(t, etcdtest.URL("", serve(t, func(server *grpc.Server) {
		pb.RegisterMaintenanceServer(server, s)
		pb.RegisterKVServer(server, s)
		pb.RegisterLeaseServer(server, s)
	})))
	defer func() { require.NoError(t, d.Close()) }()
	id, err := d.Grant(t.Context(), 2*time.Second)
	require.NoError(t, err)
	owned, err := d.Owned(t.Context(), id)
	require.NoError(t, err)
	require.Len(t, owned, 1, "the deposed leader knew of none")
	assert.Equal(t, "a", owned[0].Key)
	assert.EqualValues(t, 2, s.asked.Load())
}

// A member that is cut off from the others answers a request that requires a leader with an error,
// instead of with what it knew.
func TestEveryRequestRequiresALeader(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	requires := map[string][]string{} // by method
	note := func(ctx context.Context, method string) {
		mu.Lock()
		defer mu.Unlock()
		sent, _ := metadata.FromIncomingContext(ctx)
		requires[method] = sent[rpctypes.MetadataRequireLeaderKey]
	}
	o := old{version: "3.7.3"}
	d := open(t, etcdtest.URL("", serve(t, func(s *grpc.Server) {
		pb.RegisterMaintenanceServer(s, o)
		pb.RegisterKVServer(s, o)
		pb.RegisterLeaseServer(s, o)
		pb.RegisterWatchServer(s, pb.UnimplementedWatchServer{})
	},
		grpc.UnaryInterceptor(func(ctx context.Context, request any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
			note(ctx, info.FullMethod)
			return handle(ctx, request)
		}),
		grpc.StreamInterceptor(func(server any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handle grpc.StreamHandler) error {
			note(stream.Context(), info.FullMethod)
			return handle(server, stream)
		}),
	)))
	defer func() { require.NoError(t, d.Close()) }()
	// What the server doesn't know it refuses, and has heard nonetheless.
	id, err := d.Grant(t.Context(), 2*time.Second)
	require.NoError(t, err)
	require.Error(t, d.Renew(t.Context(), id))
	require.Error(t, d.Revoke(t.Context(), id))
	_, err = d.Owned(t.Context(), id)
	require.Error(t, err)
	_, err = d.Apply(t.Context(), []store.Write{{Kind: store.Create, Key: "a"}})
	require.Error(t, err)
	_, err = d.List(t.Context(), "a")
	require.NoError(t, err)
	watch(t, d, "a").wait(t, store.EventStale)
	mu.Lock()
	defer mu.Unlock()
	delete(requires, "/etcdserverpb.Maintenance/Status") // which asks about one member
	assert.Equal(t, []string{
		"/etcdserverpb.KV/Range", "/etcdserverpb.KV/Txn",
		"/etcdserverpb.Lease/LeaseGrant", "/etcdserverpb.Lease/LeaseKeepAlive", "/etcdserverpb.Lease/LeaseRevoke", "/etcdserverpb.Lease/LeaseTimeToLive",
		"/etcdserverpb.Watch/Watch",
	}, slices.Sorted(maps.Keys(requires)))
	for method, value := range requires {
		assert.Equal(t, []string{rpctypes.MetadataHasLeader}, value, method)
	}
}
