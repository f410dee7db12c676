package etcdfence_test

import (
	"context"
	"net"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/muster-go/muster/claimer/fence"
	"github.com/muster-go/muster/internal/etcdtest"
)

// forgetful is an etcd that applies a transaction and fails to say so; asked again it would say that
// a greater token was there.
type forgetful struct {
	pb.UnimplementedKVServer
	code  codes.Code
	asked atomic.Int64
}

func (f *forgetful) Txn(context.Context, *pb.TxnRequest) (*pb.TxnResponse, error) {
	if f.asked.Add(1) == 1 {
		return nil, status.Error(f.code, "the answer was lost")
	}
	return &pb.TxnResponse{}, nil
}

func TestDoSendsNothingTwiceWhateverTheErrorIs(t *testing.T) {
	for _, code := range []codes.Code{codes.Canceled, codes.DeadlineExceeded, codes.Unavailable, codes.Unknown} {
		t.Run(code.String(), func(t *testing.T) {
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			require.NoError(t, err)
			f := &forgetful{code: code}
			server := grpc.NewServer()
			pb.RegisterKVServer(server, f)
			go func() { _ = server.Serve(listener) }()
			t.Cleanup(server.Stop)
			err = put(testContext(t), etcdtest.NewClient(t, listener.Addr().String()), 3, "x")
			require.ErrorContains(t, err, "the answer was lost")
			require.NotErrorIs(t, err, fence.ErrStale)
			assert.EqualValues(t, 1, f.asked.Load())
		})
	}
}
