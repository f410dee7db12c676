package etcdstore

import (
	"context"
	"errors"
	"math"
	"slices"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc"

	"github.com/muster-go/muster/store"
)

// page is how many records one request reads.
const page = 1000

// anySize lets answers be larger than gRPC's 4 MiB.
var anySize = grpc.MaxCallRecvMsgSize(math.MaxInt32)

// List implements store.Driver.
func (d *driver) List(ctx context.Context, prefix string) (store.Snapshot, error) {
	for {
		snapshot, err := d.list(ctx, prefix)
		if !errors.Is(err, rpctypes.ErrCompacted) { // between two pages
			return snapshot, err
		}
	}
}

// list reads all pages at the revision of the first.
func (d *driver) list(ctx context.Context, prefix string) (store.Snapshot, error) {
	r := d.rangeOf(prefix)
	before := d.sight()
	snapshot := store.Snapshot{Records: []store.Record{}}
	for at := int64(0); ; {
		resp, err := ask(ctx, d, "read", repeat, d.kv.Range, &pb.RangeRequest{Key: r.key, RangeEnd: r.end, Limit: page, Revision: at})
		if err != nil {
			return store.Snapshot{}, err
		}
		if at == 0 {
			at = resp.Header.Revision
			snapshot.Rev = uint64(at)
			d.witness(before, snapshot.Rev)
		}
		for _, kv := range resp.Kvs {
			snapshot.Records = append(snapshot.Records, d.record(kv))
		}
		if !resp.More {
			break
		}
		r.key = append(slices.Clone(resp.Kvs[len(resp.Kvs)-1].Key), 0)
	}
	slices.SortFunc(snapshot.Records, store.CompareRecords)
	return snapshot, nil
}
