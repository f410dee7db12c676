package etcdstore_test

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"

	"github.com/muster-go/muster/internal/etcdtest"
	"github.com/muster-go/muster/store"
	"github.com/muster-go/muster/store/etcdstore"
)

// old is as much of a server as Open and Grant need.
type old struct {
	pb.UnimplementedMaintenanceServer
	pb.UnimplementedKVServer
	pb.UnimplementedLeaseServer
	version string
}

func (o old) Status(context.Context, *pb.StatusRequest) (*pb.StatusResponse, error) {
	return &pb.StatusResponse{Version: o.version}, nil
}

func (o old) Range(context.Context, *pb.RangeRequest) (*pb.RangeResponse, error) {
	return &pb.RangeResponse{Header: &pb.ResponseHeader{Revision: 1}}, nil
}

func (o old) LeaseGrant(context.Context, *pb.LeaseGrantRequest) (*pb.LeaseGrantResponse, error) {
	return &pb.LeaseGrantResponse{Header: &pb.ResponseHeader{}, ID: 7, TTL: 2}, nil
}

// serveOld gives the address of a server that says it is of this version.
func serveOld(t *testing.T, version string) string {
	o := old{version: version}
	return serve(t, func(s *grpc.Server) {
		pb.RegisterMaintenanceServer(s, o)
		pb.RegisterKVServer(s, o)
		pb.RegisterLeaseServer(s, o)
	})
}

// serve serves what is registered until the test's end, and gives its address.
func serve(t *testing.T, register func(*grpc.Server), options ...grpc.ServerOption) string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	server := grpc.NewServer(options...)
	register(server)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(listener)
	}()
	t.Cleanup(func() { server.Stop(); <-done })
	return listener.Addr().String()
}

func TestServersThatRevokeLiveLeasesAreRefused(t *testing.T) {
	for version, good := range map[string]bool{
		"2.3.8": false, "3.3.27": false, "3.4.0": false, "3.4.30": false, "3.4.30+git": false,
		"3.5.0": false, "3.5.12": false, "3.5.12-rc.1": false,
		"3.4.31": true, "3.4.100": true, "3.5.13": true, "3.5.28": true, "3.6.0": true, "3.7.3": true, "3.7.0-alpha.0": true, "4.0.0": true,
		"": true, "unknown": true, "3.5": true, "3.5.x": true, "99999999999.1.1": true,
	} {
		t.Run("version "+version, func(t *testing.T) {
			endpoint := serveOld(t, version)
			d, err := tryOpen("etcd://" + endpoint)
			if good {
				require.NoError(t, err)
				require.NoError(t, d.Close())
				return
			}
			require.ErrorIs(t, err, store.ErrInvalid)
			for _, want := range []string{endpoint, "etcd " + version, "15247", "3.4.31, 3.5.13"} {
				assert.ErrorContains(t, err, want)
			}
		})
	}
}

func TestOneServerOfABadVersionIsRefusedAmongGoodOnes(t *testing.T) {
	_, err := tryOpen("etcd://" + serveOld(t, "3.5.13") + "," + serveOld(t, "3.5.12"))
	require.ErrorIs(t, err, store.ErrInvalid)
}

func TestTheFirstGrantOfADriverOnAClientChecksTheVersion(t *testing.T) {
	for version, good := range map[string]bool{"3.5.12": false, "3.5.13": true} {
		d, err := etcdstore.New(etcdstore.Config{Client: etcdtest.NewClient(t, serveOld(t, version))})
		require.NoError(t, err)
		for range 2 {
			_, err = d.Grant(t.Context(), 2*time.Second)
			if good {
				require.NoError(t, err)
			} else {
				require.ErrorIs(t, err, store.ErrInvalid)
			}
		}
		require.NoError(t, d.Close())
	}
}
