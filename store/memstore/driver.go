package memstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/muster-go/muster/store"
)

// Driver is one client of a Service; it implements store.Driver. Of the errors of its calls none is
// of unknown outcome.
type Driver struct {
	service  *Service
	requests atomic.Int64
	once     sync.Once
	closed   chan struct{}
}

var (
	_ store.Driver     = (*Driver)(nil)
	_ store.PairLister = (*Driver)(nil)
)

// lag is allowed for the clock's timer to run and the watches to be told.
const lag = 20 * time.Millisecond

var limits = store.Limits{MinTTL: 10 * time.Millisecond, ExpiryFactor: 1, ExpiryLag: lag}

// Limits implements store.Driver.
func (d *Driver) Limits() store.Limits { return limits }

// Requests counts the calls that this driver made to the service; a watch makes one for each
// snapshot that it takes.
func (d *Driver) Requests() int { return int(d.requests.Load()) }

// request opens a call: it leaves the service locked, with what is due done, unless it fails.
func (d *Driver) request(ctx context.Context) error {
	if err := d.usable(ctx); err != nil {
		return err
	}
	d.requests.Add(1)
	s := d.service
	s.mu.Lock()
	if err := s.reachable(); err != nil {
		s.mu.Unlock()
		return err
	}
	s.expireDue()
	return nil
}

func (d *Driver) usable(ctx context.Context) error {
	select {
	case <-d.closed:
		return fmt.Errorf("memstore: %w", store.ErrClosed)
	default:
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("memstore: nothing was sent (%w): %w", err, store.ErrUnreachable)
	}
	return nil
}

// Proof implements store.Driver: true once for a new service, by whichever driver asks first.
func (d *Driver) Proof(ctx context.Context) (bool, error) {
	if err := d.request(ctx); err != nil {
		return false, err
	}
	s := d.service
	defer s.mu.Unlock()
	proven := !s.unproven
	s.unproven = true
	return proven, nil
}

// Grant implements store.Driver.
func (d *Driver) Grant(ctx context.Context, ttl time.Duration) (store.SessionID, error) {
	if err := limits.Check(ttl); err != nil {
		return "", fmt.Errorf("memstore: grant: %w", err)
	}
	if err := d.request(ctx); err != nil {
		return "", err
	}
	s := d.service
	defer s.mu.Unlock()
	return s.grant(&session{ttl: ttl, deadline: s.clk.Now().Add(ttl), keys: map[string]struct{}{}}), nil
}

// Renew implements store.Driver.
func (d *Driver) Renew(ctx context.Context, id store.SessionID) error {
	if err := d.request(ctx); err != nil {
		return err
	}
	s := d.service
	defer s.mu.Unlock()
	ses, ok := s.data.sessions[id]
	if !ok {
		return fmt.Errorf("memstore: renew session %q: %w", id, store.ErrSessionGone)
	}
	ses.deadline = s.clk.Now().Add(ses.ttl)
	return nil
}

// Revoke implements store.Driver.
func (d *Driver) Revoke(ctx context.Context, id store.SessionID) error {
	if err := d.request(ctx); err != nil {
		return err
	}
	s := d.service
	defer s.mu.Unlock()
	s.end(id)
	return nil
}

// Owned implements store.Driver.
func (d *Driver) Owned(ctx context.Context, id store.SessionID) ([]store.Record, error) {
	if err := d.request(ctx); err != nil {
		return nil, err
	}
	s := d.service
	defer s.mu.Unlock()
	ses, ok := s.data.sessions[id]
	if !ok {
		return nil, nil
	}
	owned := make([]store.Record, 0, len(ses.keys))
	for _, key := range slices.Sorted(maps.Keys(ses.keys)) {
		owned = append(owned, s.data.records[key])
	}
	return cloneValues(owned), nil
}

// Apply implements store.Driver. All writes of the batch are done at one moment, so no other
// client's come between them.
func (d *Driver) Apply(ctx context.Context, writes []store.Write) ([]store.Outcome, error) {
	if err := checkWrites(writes); err != nil {
		return nil, err
	}
	if err := d.request(ctx); err != nil {
		return nil, err
	}
	s := d.service
	defer s.mu.Unlock()
	outcomes := make([]store.Outcome, len(writes))
	for i, w := range writes {
		outcomes[i].Rev, outcomes[i].Err = s.apply(w)
	}
	return outcomes, nil
}

// List implements store.Driver.
func (d *Driver) List(ctx context.Context, prefix string) (store.Snapshot, error) {
	if err := checkPrefix(prefix); err != nil {
		return store.Snapshot{}, fmt.Errorf("memstore: list: %w", err)
	}
	if err := d.request(ctx); err != nil {
		return store.Snapshot{}, err
	}
	s := d.service
	defer s.mu.Unlock()
	snap := s.list(prefix)
	cloneValues(snap.Records)
	return snap, nil
}

// ListPair implements store.PairLister.
func (d *Driver) ListPair(ctx context.Context, first, second string) (a, b store.Snapshot, err error) {
	if err := errors.Join(checkPrefix(first), checkPrefix(second)); err != nil {
		return a, b, fmt.Errorf("memstore: list: %w", err)
	}
	if err := d.request(ctx); err != nil {
		return a, b, err
	}
	s := d.service
	defer s.mu.Unlock()
	a, b = s.list(first), s.list(second)
	cloneValues(a.Records)
	cloneValues(b.Records)
	return a, b, nil
}

// Close implements store.Driver. The service and its other drivers go on.
func (d *Driver) Close() error {
	d.once.Do(func() { close(d.closed) })
	return nil
}

// cloneValues keeps the callers' hands off the store's own values.
func cloneValues(records []store.Record) []store.Record {
	for i := range records {
		records[i].Value = bytes.Clone(records[i].Value)
	}
	return records
}
