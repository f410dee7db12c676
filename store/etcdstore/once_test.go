package etcdstore_test

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/muster-go/muster/internal/etcdtest"
	"github.com/muster-go/muster/store"
	"github.com/muster-go/muster/store/etcdstore"
)

// forgetful does each write and loses the answer, as a proxy between may do.
type forgetful struct {
	old
	code   codes.Code
	writes *atomic.Int64
}

func (f forgetful) Txn(context.Context, *pb.TxnRequest) (*pb.TxnResponse, error) {
	f.writes.Add(1)
	return nil, status.Error(f.code, "the answer was lost")
}

// The client of etcd repeats whatever ended with one of these two codes, as long as its context lasts.
func TestAWriteIsSentOnceWhateverItsErrorIs(t *testing.T) {
	t.Parallel()
	for _, code := range []codes.Code{codes.Canceled, codes.DeadlineExceeded, codes.Unavailable, codes.Unknown} {
		t.Run(code.String(), func(t *testing.T) {
			f := forgetful{old: old{version: "3.7.3"}, code: code, writes: new(atomic.Int64)}
			address := serve(t, func(s *grpc.Server) {
				pb.RegisterMaintenanceServer(s, f)
				pb.RegisterKVServer(s, f)
			})
			opened := open(t, etcdtest.URL("", address))
			defer func() { require.NoError(t, opened.Close()) }()
			given, err := etcdstore.New(etcdstore.Config{Client: etcdtest.NewClient(t, address)})
			require.NoError(t, err)
			defer func() { require.NoError(t, given.Close()) }()
			for name, d := range map[string]store.Driver{"a client of Open's": opened, "a client of the caller's": given} {
				f.writes.Store(0)
				_, err := d.Apply(t.Context(), []store.Write{{Kind: store.Create, Key: "a"}})
				require.ErrorContains(t, err, "the answer was lost", name)
				require.NotErrorIs(t, err, store.ErrRefused, name)
				assert.EqualValues(t, 1, f.writes.Load(), name)
			}
		})
	}
}
