package etcdstore

import (
	"context"
	"slices"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"

	"github.com/muster-go/muster/store"
)

var _ store.PairLister = (*driver)(nil)

// ListPair implements store.PairLister: one transaction reads both, unless one is too large.
func (d *driver) ListPair(ctx context.Context, first, second string) (store.Snapshot, store.Snapshot, error) {
	before := d.sight()
	request := &pb.TxnRequest{}
	for _, prefix := range []string{first, second} {
		r := d.rangeOf(prefix)
		request.Success = append(request.Success, &pb.RequestOp{Request: &pb.RequestOp_RequestRange{
			RequestRange: &pb.RangeRequest{Key: r.key, RangeEnd: r.end, Limit: page},
		}})
	}
	resp, err := ask(ctx, d, "read", repeat, d.kv.Txn, request)
	if err != nil {
		return store.Snapshot{}, store.Snapshot{}, err
	}
	d.witness(before, uint64(resp.Header.Revision))
	var pair [2]store.Snapshot
	for i, answer := range resp.Responses {
		part := answer.GetResponseRange()
		if part.More {
			return d.listInTurn(ctx, first, second)
		}
		pair[i] = store.Snapshot{Records: make([]store.Record, 0, len(part.Kvs)), Rev: uint64(resp.Header.Revision)}
		for _, kv := range part.Kvs {
			pair[i].Records = append(pair[i].Records, d.record(kv))
		}
		slices.SortFunc(pair[i].Records, store.CompareRecords)
	}
	return pair[0], pair[1], nil
}

func (d *driver) listInTurn(ctx context.Context, first, second string) (a, b store.Snapshot, err error) {
	if a, err = d.List(ctx, first); err == nil {
		b, err = d.List(ctx, second)
	}
	return a, b, err
}
