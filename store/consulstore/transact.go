package consulstore

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/hashicorp/consul/api"

	"github.com/muster-go/muster/store"
)

// mostDelays is how often a write waits for the lock-delay of a session of which its key was; more is
// of another kind of session, with a longer one.
const mostDelays = 25

// errTooLarge says that the server takes less than this in one request, and did nothing.
var errTooLarge = errors.New("too large for one request")

// failure is why a write was not done.
type failure struct {
	err     error
	owned   bool // by another session than the write is for
	delayed bool // by a lock-delay
}

// transact does writes in one transaction, of which Consul does all or none. It gives why those failed
// that did, or, if none did, the index of the commit.
func (b *batch) transact(ctx context.Context, part []int) (failed map[int]*failure, index uint64, err error) {
	var ops api.TxnOps
	var of []int // the writes that the operations are of
	for _, i := range part {
		for _, op := range b.ops(i) {
			ops = append(ops, &api.TxnOp{KV: op})
			of = append(of, i)
		}
	}
	before := b.d.sight()
	var done bool
	var answer *api.TxnResponse
	err = b.d.ask(ctx, "write", callTime, func(ctx context.Context) (err error) {
		// A consistency must not be asked for: a transaction that writes ignores it.
		done, answer, _, err = b.d.client.Txn().Txn(ops, (&api.QueryOptions{Datacenter: b.d.a.datacenter}).WithContext(ctx))
		return err
	})
	var status *statusError
	switch {
	case errors.As(err, &status) && status.code == http.StatusRequestEntityTooLarge:
		return nil, 0, fmt.Errorf("%w (%w)", err, errTooLarge)
	case err != nil:
		return nil, 0, err
	case !done && len(answer.Errors) == 0:
		return nil, 0, fmt.Errorf("%s: write: Consul refused it and didn't say why", b.d.name)
	}
	said := map[int][]string{}
	for _, e := range answer.Errors {
		if e.OpIndex < 0 || e.OpIndex >= len(of) {
			return nil, 0, fmt.Errorf("%s: write: Consul refused operation %d of %d: %s (%w)", b.d.name, e.OpIndex, len(of), e.What, store.ErrRefused)
		}
		said[of[e.OpIndex]] = append(said[of[e.OpIndex]], e.What)
	}
	if len(said) > 0 {
		failed = map[int]*failure{}
		for i, texts := range said {
			failed[i] = b.d.why(texts)
		}
		return failed, 0, nil
	}
	for _, result := range answer.Results { // those that only look have older ones
		if result.KV != nil {
			index = max(index, result.KV.ModifyIndex)
		}
	}
	if index == 0 {
		return nil, 0, fmt.Errorf("%s: write: it was done, but Consul didn't say at which index", b.d.name)
	}
	b.d.witness(before, index)
	return nil, index, nil
}

// why gives the reason of a write's failure out of what Consul says of its operations. What can't be
// mended counts more.
func (d *driver) why(texts []string) *failure {
	said := func(is func(text string) bool) (error, bool) {
		i := slices.IndexFunc(texts, is)
		if i < 0 {
			return nil, false
		}
		return errors.New(texts[i]), true
	}
	if err, ok := said(saysGone); ok {
		return &failure{err: fmt.Errorf("%w (%w)", err, store.ErrSessionGone)}
	}
	if err, ok := said(saysDenied); ok {
		return &failure{err: d.unauthorized(err)}
	}
	if err, ok := said(saysConflict); ok {
		return &failure{err: fmt.Errorf("%w (%w)", err, store.ErrConflict)}
	}
	f := &failure{err: fmt.Errorf("%s (%w)", strings.Join(texts, "; "), store.ErrRefused)}
	_, f.owned = said(saysOwned)
	_, f.delayed = said(func(text string) bool { return strings.HasSuffix(text, "due to lock delay") })
	return f
}

func saysGone(text string) bool {
	return strings.HasPrefix(text, "invalid session") || strings.HasPrefix(text, "failed session lookup")
}

func saysDenied(text string) bool {
	return strings.Contains(text, "Permission denied") || strings.Contains(text, "ACL not found")
}

func saysConflict(text string) bool {
	return strings.HasPrefix(text, "failed index check") || strings.HasPrefix(text, "failed to check index") ||
		strings.HasPrefix(text, "failed to check session") || strings.HasSuffix(text, "index is stale") ||
		strings.HasPrefix(text, "key ") && strings.HasSuffix(text, " exists")
}

func saysOwned(text string) bool {
	return strings.Contains(text, "lock is already held") || strings.HasPrefix(text, "failed session check")
}
