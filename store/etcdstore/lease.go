package etcdstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"

	"github.com/muster-go/muster/store"
)

// Grant implements store.Driver.
func (d *driver) Grant(ctx context.Context, ttl time.Duration) (store.SessionID, error) {
	if err := limits.Check(ttl); err != nil {
		return "", fmt.Errorf("%s: %w", d.name, err)
	}
	if err := d.vet(ctx); err != nil {
		return "", err
	}
	asked := limits.Round(ttl)
	resp, err := ask(ctx, d, "grant a lease", repeat, d.lease.LeaseGrant, &pb.LeaseGrantRequest{TTL: int64(asked / time.Second)})
	if err != nil {
		return "", err
	}
	id := sessionID(resp.ID)
	if granted := time.Duration(resp.TTL) * time.Second; granted > asked {
		err := fmt.Errorf("%s: ttl %v: its shortest lease is %v (1.5 × its election timeout, in whole seconds): use at least %v (then the next leader takes over at most %v after a crash), or shorten the election timeout: %w",
			d.name, ttl, granted, granted, limits.WorstFailover(granted), store.ErrInvalid)
		if revokeErr := d.Revoke(ctx, id); revokeErr != nil { // it ends by itself
			d.cfg.Logger.Debug("a lease that nobody wants stays until it expires", "store", d.name, "lease", id, "err", revokeErr)
		}
		return "", err
	}
	return id, nil
}

// Revoke implements store.Driver.
func (d *driver) Revoke(ctx context.Context, id store.SessionID) error {
	lease, ok := leaseOf(id)
	if err := d.mayBegin(ctx, "revoke a lease"); err != nil || !ok {
		return err
	}
	_, err := ask(ctx, d, "revoke a lease", repeat, d.lease.LeaseRevoke, &pb.LeaseRevokeRequest{ID: lease})
	if errors.Is(err, store.ErrSessionGone) {
		return nil
	}
	return err
}

// Owned implements store.Driver. It asks etcd's leader for the lease's keys, which it keeps in
// memory, and reads them. A leader that was deposed without knowing it could answer the first, so
// the term must be the same before and after: the read is done by a leader that a majority confirms.
func (d *driver) Owned(ctx context.Context, id store.SessionID) ([]store.Record, error) {
	lease, ok := leaseOf(id)
	if err := d.mayBegin(ctx, "read a lease's keys"); err != nil || !ok {
		return nil, err
	}
	var wait backoff
	for {
		keys, err := ask(ctx, d, "read a lease's keys", repeat, d.lease.LeaseTimeToLive, &pb.LeaseTimeToLiveRequest{ID: lease, Keys: true})
		if err != nil {
			return nil, err
		}
		records, same, err := d.attached(ctx, keys.Keys, lease, keys.Header.RaftTerm) // of a lease that is gone: none
		if err != nil || same {
			return records, err
		}
		wait.sleep(ctx, d)
	}
}

// readsNested is how many transactions one request nests, and how many reads each holds: etcd allows
// 128 operations on both levels together. So a process that leads thousands of elections reads what
// its lease owns in one request.
const readsNested = 64

// attached reads keys, as far as the lease owns them, and says whether the term was the same all
// along.
func (d *driver) attached(ctx context.Context, keys [][]byte, lease int64, term uint64) (records []store.Record, same bool, err error) {
	records, same = []store.Record{}, true
	root := d.root()
	width := readsNested
	for first := true; first || len(keys) > 0; first = false {
		request := &pb.TxnRequest{}
		n := min(len(keys), width*width)
		for some := range slices.Chunk(keys[:n], width) {
			nested := &pb.TxnRequest{}
			for _, key := range some {
				nested.Success = append(nested.Success, readOne(key))
			}
			request.Success = append(request.Success, &pb.RequestOp{Request: &pb.RequestOp_RequestTxn{RequestTxn: nested}})
		}
		if n == 0 { // for the term alone
			request.Success = append(request.Success, readOne([]byte(root+"root")))
		}
		resp, err := ask(ctx, d, "read", repeat, d.kv.Txn, request)
		if tooMuch(err) && n > 1 {
			width /= 2
			continue
		}
		if err != nil {
			return nil, false, err
		}
		keys = keys[n:]
		same = same && resp.Header.RaftTerm == term
		for _, answer := range resp.Responses {
			for _, part := range answer.GetResponseTxn().GetResponses() {
				for _, kv := range part.GetResponseRange().Kvs {
					if kv.Lease == lease && len(kv.Key) >= len(root) && string(kv.Key[:len(root)]) == root {
						records = append(records, d.record(kv))
					}
				}
			}
		}
	}
	return records, same, nil
}

func readOne(key []byte) *pb.RequestOp {
	return &pb.RequestOp{Request: &pb.RequestOp_RequestRange{RequestRange: &pb.RangeRequest{Key: key}}}
}
