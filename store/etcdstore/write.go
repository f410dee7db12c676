package etcdstore

import (
	"context"
	"errors"
	"fmt"
	"slices"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"

	"github.com/muster-go/muster/store"
)

const (
	// mostWrites is how many nested transactions one request may hold: the 128 operations that etcd
	// allows, less the one in each.
	mostWrites = 127
	// mostBytes keeps a request below etcd's limit of 1.5 MiB.
	mostBytes = 1200 << 10
)

// Apply implements store.Driver.
func (d *driver) Apply(ctx context.Context, writes []store.Write) ([]store.Outcome, error) {
	if err := checkWrites(writes); err != nil {
		return nil, fmt.Errorf("%s: %w", d.name, err)
	}
	if err := d.mayBegin(ctx, "write"); err != nil {
		return nil, err
	}
	b := &batch{d: d, writes: writes, outcomes: make([]store.Outcome, len(writes))}
	chunks := b.chunks()
	if len(chunks) == 1 && len(chunks[0]) == len(writes) {
		if err := b.submit(ctx, chunks[0]); err != nil {
			return nil, err
		}
		return b.outcomes, nil
	}
	for _, chunk := range chunks {
		b.part(ctx, chunk)
	}
	return b.outcomes, nil
}

// checkWrites refuses what no store could do.
func checkWrites(writes []store.Write) error {
	seen := make(map[string]bool, len(writes))
	for i, w := range writes {
		fault := ""
		switch {
		case w.Key == "":
			fault = "the key is empty"
		case w.Kind < store.Create || w.Kind > store.Delete:
			fault = fmt.Sprintf("the kind %d is unknown", w.Kind)
		case seen[w.Key]:
			fault = fmt.Sprintf("the key %q is written twice", w.Key)
		}
		if fault != "" {
			return fmt.Errorf("write %d of %d: %s: %w", i+1, len(writes), fault, store.ErrInvalid)
		}
		seen[w.Key] = true
	}
	return nil
}

// batch is one Apply. Parts of it are lists of indices.
type batch struct {
	d        *driver
	writes   []store.Write
	outcomes []store.Outcome
}

// chunks divides the writes into requests; those that can't succeed have their outcome already.
func (b *batch) chunks() [][]int {
	var chunks [][]int
	var chunk []int
	size := 0
	for i, w := range b.writes {
		if err := b.d.refuse(w); err != nil {
			b.outcomes[i].Err = err
			continue
		}
		n := len(b.d.root()) + 2*len(w.Key) + len(w.Value) + 64
		if len(chunk) == mostWrites || len(chunk) > 0 && size+n > mostBytes {
			chunks = append(chunks, chunk)
			chunk, size = nil, 0
		}
		chunk = append(chunk, i)
		size += n
	}
	if len(chunk) > 0 {
		chunks = append(chunks, chunk)
	}
	return chunks
}

// refuse says what needn't be sent.
func (d *driver) refuse(w store.Write) error {
	say := func(why string, class error) error {
		return fmt.Errorf("%s: write of %q: %s: %w", d.name, w.Key, why, class)
	}
	if _, ok := revision(w.If); !ok && w.Kind != store.Create {
		return say(fmt.Sprintf("no record has the revision %d", w.If), store.ErrConflict)
	}
	if w.Kind == store.Delete {
		return nil
	}
	if _, ok := leaseOf(w.Session); !ok && w.Session != "" {
		return say(fmt.Sprintf("no session is named %q", w.Session), store.ErrSessionGone)
	}
	if len(w.Value) > limits.MaxValue {
		return say(fmt.Sprintf("the value has %d bytes: use at most %d", len(w.Value), limits.MaxValue), store.ErrInvalid)
	}
	return nil
}

// part does some of the writes, as far as it can.
func (b *batch) part(ctx context.Context, part []int) {
	if err := b.submit(ctx, part); err != nil {
		for _, i := range part {
			b.outcomes[i].Err = err
		}
	}
}

// submit does some of the writes in one request, or in more where that must be. An error holds for
// all of them.
func (b *batch) submit(ctx context.Context, part []int) error {
	before := b.d.sight()
	request := &pb.TxnRequest{}
	for _, i := range part {
		request.Success = append(request.Success, b.d.conditional(b.writes[i]))
	}
	alone := len(part) == 1
	if alone { // and so needs no nesting, which costs the server a tenth of a millisecond
		request = request.Success[0].GetRequestTxn()
	}
	resp, err := ask(ctx, b.d, "write", once, b.d.kv.Txn, request)
	switch {
	case err == nil:
	case errors.Is(err, rpctypes.ErrLeaseNotFound): // of one of the owners; nothing was done
		b.apart(ctx, part, err)
		return nil
	case tooMuch(err) && len(part) > 1:
		b.part(ctx, part[:len(part)/2])
		b.part(ctx, part[len(part)/2:])
		return nil
	default:
		return err
	}
	rev := uint64(resp.Header.Revision)
	b.d.witness(before, rev)
	for n, i := range part {
		if alone && resp.Succeeded || !alone && resp.Responses[n].GetResponseTxn().Succeeded {
			b.outcomes[i].Rev = rev
		} else {
			b.outcomes[i].Err = fmt.Errorf("%s: write of %q: %w", b.d.name, b.writes[i].Key, store.ErrConflict)
		}
	}
	return nil
}

// apart repeats writes of which none was done because an owner doesn't exist, each owner's by
// themselves. Where all have one owner it is the one.
func (b *batch) apart(ctx context.Context, part []int, err error) {
	owner := func(i int) store.SessionID {
		if b.writes[i].Kind == store.Delete {
			return ""
		}
		return b.writes[i].Session
	}
	var owners []store.SessionID
	for _, i := range part {
		if !slices.Contains(owners, owner(i)) {
			owners = append(owners, owner(i))
		}
	}
	if len(owners) == 1 {
		for _, i := range part {
			b.outcomes[i].Err = err
		}
		return
	}
	for _, id := range owners {
		var theirs []int
		for _, i := range part {
			if owner(i) == id {
				theirs = append(theirs, i)
			}
		}
		b.part(ctx, theirs)
	}
}

// conditional is a write as a transaction of its own.
func (d *driver) conditional(w store.Write) *pb.RequestOp {
	key := []byte(d.root() + w.Key)
	compare := &pb.Compare{Key: key, Result: pb.Compare_EQUAL}
	if w.Kind == store.Create {
		compare.Target, compare.TargetUnion = pb.Compare_CREATE, &pb.Compare_CreateRevision{}
	} else {
		rev, _ := revision(w.If)
		compare.Target, compare.TargetUnion = pb.Compare_MOD, &pb.Compare_ModRevision{ModRevision: rev}
	}
	op := &pb.RequestOp{}
	if w.Kind == store.Delete {
		op.Request = &pb.RequestOp_RequestDeleteRange{RequestDeleteRange: &pb.DeleteRangeRequest{Key: key}}
	} else {
		lease, _ := leaseOf(w.Session)
		op.Request = &pb.RequestOp_RequestPut{RequestPut: &pb.PutRequest{Key: key, Value: w.Value, Lease: lease}}
	}
	return &pb.RequestOp{Request: &pb.RequestOp_RequestTxn{RequestTxn: &pb.TxnRequest{Compare: []*pb.Compare{compare}, Success: []*pb.RequestOp{op}}}}
}
