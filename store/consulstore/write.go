package consulstore

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"

	"github.com/hashicorp/consul/api"

	"github.com/muster-go/muster/store"
)

const (
	// mostOps is how many operations one transaction may have: what every Consul allows.
	mostOps = 64
	// mostBytes keeps a request below Consul's limit of 512 KiB.
	mostBytes = 480 << 10
)

// Apply implements store.Driver. A transaction is done as a whole or not at all, and says of each
// operation why not: what failed is taken out, and the rest is done in another one.
func (d *driver) Apply(ctx context.Context, writes []store.Write) ([]store.Outcome, error) {
	if err := checkWrites(writes); err != nil {
		return nil, fmt.Errorf("%s: %w", d.name, err)
	}
	if err := d.mayBegin(ctx, "write"); err != nil {
		return nil, err
	}
	b := &batch{d: d, writes: writes, outcomes: make([]store.Outcome, len(writes)), owners: map[int]string{}}
	chunks := b.chunks()
	for n, chunk := range chunks {
		some, err := b.submit(ctx, chunk)
		if err == nil {
			continue
		}
		if n == 0 && len(chunks) == 1 && len(some) == len(writes) {
			return nil, err
		}
		for _, i := range some {
			b.outcomes[i].Err = err
		}
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
	owners   map[int]string // the present owners of records that get another one
}

// chunks divides the writes into transactions; those that can't succeed have their outcome already.
func (b *batch) chunks() [][]int {
	var chunks [][]int
	var chunk []int
	ops, size := 0, 0
	for i, w := range b.writes {
		if err := b.d.refuse(w); err != nil {
			b.outcomes[i].Err = err
			continue
		}
		n := len(b.ops(i))
		bytes := len(w.Value)*4/3 + n*(len(b.d.a.root())+2*len(w.Key)+200)
		if len(chunk) > 0 && (ops+n > mostOps || size+bytes > mostBytes) {
			chunks = append(chunks, chunk)
			chunk, ops, size = nil, 0, 0
		}
		chunk = append(chunk, i)
		ops += n
		size += bytes
	}
	if len(chunk) > 0 {
		chunks = append(chunks, chunk)
	}
	return chunks
}

// refuse says what needn't be sent.
func (d *driver) refuse(w store.Write) error {
	switch {
	case w.Kind != store.Create && w.If == 0: // to Consul it would mean that there must be none
		return d.outcome(w, fmt.Errorf("no record has the revision 0 (%w)", store.ErrConflict))
	case w.Kind != store.Delete && w.Session != "" && !isSession(w.Session):
		return d.outcome(w, fmt.Errorf("no session is named %q (%w)", w.Session, store.ErrSessionGone))
	case w.Kind != store.Delete && len(w.Value) > d.limits.MaxValue:
		return d.outcome(w, fmt.Errorf("the value has %d bytes: use at most %d (%w)", len(w.Value), d.limits.MaxValue, store.ErrInvalid))
	}
	return nil
}

func (d *driver) outcome(w store.Write, err error) error {
	return fmt.Errorf("%s: write of %q: %w", d.name, w.Key, err)
}

// ops is a write as operations. Each writes something with flags of its own, though it may change
// nothing else: Consul gives what doesn't change no new index.
func (b *batch) ops(i int) api.KVTxnOps {
	w := b.writes[i]
	key, flags := b.d.a.root()+w.Key, rand.Uint64()
	id := string(w.Session)
	check := &api.KVTxnOp{Verb: api.KVCheckIndex, Key: key, Index: w.If}
	lock := &api.KVTxnOp{Verb: api.KVLock, Key: key, Value: w.Value, Flags: flags, Session: id}
	owner, owned := b.owners[i]
	unlock := &api.KVTxnOp{Verb: api.KVUnlock, Key: key, Value: w.Value, Flags: flags, Session: owner}
	switch {
	case w.Kind == store.Delete: // of which alone no index would be told, and which succeeds where nothing is
		return api.KVTxnOps{{Verb: api.KVCAS, Key: key, Flags: flags, Index: w.If}, {Verb: api.KVDelete, Key: key}}
	case w.Kind == store.Create && id == "":
		return api.KVTxnOps{{Verb: api.KVCAS, Key: key, Value: w.Value, Flags: flags}}
	case w.Kind == store.Create:
		return api.KVTxnOps{{Verb: api.KVCheckNotExists, Key: key}, lock}
	case owned && id == "":
		return api.KVTxnOps{check, unlock}
	case owned:
		unlock.Value = nil // which the lock writes
		return api.KVTxnOps{check, unlock, lock}
	case id == "":
		return api.KVTxnOps{check, {Verb: api.KVCheckSession, Key: key}, {Verb: api.KVCAS, Key: key, Value: w.Value, Flags: flags, Index: w.If}}
	}
	return api.KVTxnOps{check, lock} // which fails if another session owns it
}

// submit does some of the writes. An error holds for those that it gives, which have no outcome.
func (b *batch) submit(ctx context.Context, part []int) ([]int, error) {
	delays := 0
	for len(part) > 0 {
		failed, index, err := b.transact(ctx, part)
		if errors.Is(err, errTooLarge) && len(part) > 1 {
			half := len(part) / 2
			if rest, err := b.submit(ctx, part[:half]); err != nil {
				return append(rest, part[half:]...), err
			}
			part = part[half:]
			continue
		}
		if err != nil {
			return part, err
		}
		var again []int
		delayed := false
		for _, i := range part {
			f := failed[i]
			switch {
			case len(failed) == 0:
				b.outcomes[i].Rev = index
			case f == nil:
				again = append(again, i)
			case f.delayed && delays < mostDelays:
				again, delayed = append(again, i), true
			case f.owned:
				owner, err := b.owner(ctx, i)
				if err != nil {
					b.outcomes[i].Err = err
					continue
				}
				b.owners[i] = owner
				again = append(again, i)
			default:
				b.outcomes[i].Err = b.d.outcome(b.writes[i], f.err)
			}
		}
		part = again
		if delayed {
			delays++
			b.d.sleep(ctx, 2*lockDelay)
		}
	}
	return nil, nil
}

// owner finds out who owns the record that is to get another owner.
func (b *batch) owner(ctx context.Context, i int) (string, error) {
	w := b.writes[i]
	l, err := b.d.list(ctx, w.Key, b.d.reading)
	switch {
	case err != nil: // nothing of the write was done
		return "", b.d.outcome(w, fmt.Errorf("who owns it? %w (%w)", err, store.ErrRefused))
	case len(l.records) == 0 || l.records[0].ModRev != w.If || l.records[0].Session == "":
		return "", b.d.outcome(w, store.ErrConflict)
	}
	return string(l.records[0].Session), nil
}
