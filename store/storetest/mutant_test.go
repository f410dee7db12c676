package storetest_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/juju/clock/testclock"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/store"
	"github.com/muster-go/muster/store/storetest"
)

// bugs are the calls that a mutant does its own way; nil ones it passes on.
type bugs struct {
	limits func() store.Limits
	proof  func(context.Context) (bool, error)
	grant  func(context.Context, time.Duration) (store.SessionID, error)
	renew  func(context.Context, store.SessionID) error
	revoke func(context.Context, store.SessionID) error
	owned  func(context.Context, store.SessionID) ([]store.Record, error)
	apply  func(context.Context, []store.Write) ([]store.Outcome, error)
	list   func(context.Context, string) (store.Snapshot, error)
	watch  func(context.Context, string, func(store.Event)) error
	close  func() error
}

// mutant is a good driver with a deliberate bug.
type mutant struct {
	*storetest.Faults
	bugs bugs
}

func (m *mutant) Limits() store.Limits {
	if m.bugs.limits != nil {
		return m.bugs.limits()
	}
	return m.Faults.Limits()
}

func (m *mutant) Proof(ctx context.Context) (bool, error) {
	if m.bugs.proof != nil {
		return m.bugs.proof(ctx)
	}
	return m.Faults.Proof(ctx)
}

func (m *mutant) Grant(ctx context.Context, ttl time.Duration) (store.SessionID, error) {
	if m.bugs.grant != nil {
		return m.bugs.grant(ctx, ttl)
	}
	return m.Faults.Grant(ctx, ttl)
}

func (m *mutant) Renew(ctx context.Context, id store.SessionID) error {
	if m.bugs.renew != nil {
		return m.bugs.renew(ctx, id)
	}
	return m.Faults.Renew(ctx, id)
}

func (m *mutant) Revoke(ctx context.Context, id store.SessionID) error {
	if m.bugs.revoke != nil {
		return m.bugs.revoke(ctx, id)
	}
	return m.Faults.Revoke(ctx, id)
}

func (m *mutant) Owned(ctx context.Context, id store.SessionID) ([]store.Record, error) {
	if m.bugs.owned != nil {
		return m.bugs.owned(ctx, id)
	}
	return m.Faults.Owned(ctx, id)
}

func (m *mutant) Apply(ctx context.Context, writes []store.Write) ([]store.Outcome, error) {
	if m.bugs.apply != nil {
		return m.bugs.apply(ctx, writes)
	}
	return m.Faults.Apply(ctx, writes)
}

func (m *mutant) List(ctx context.Context, prefix string) (store.Snapshot, error) {
	if m.bugs.list != nil {
		return m.bugs.list(ctx, prefix)
	}
	return m.Faults.List(ctx, prefix)
}

func (m *mutant) Watch(ctx context.Context, prefix string, emit func(store.Event)) error {
	if m.bugs.watch != nil {
		return m.bugs.watch(ctx, prefix, emit)
	}
	return m.Faults.Watch(ctx, prefix, emit)
}

func (m *mutant) Close() error {
	if m.bugs.close != nil {
		return m.bugs.close()
	}
	return m.Faults.Close()
}

// mutate makes every client of a harness have a bug.
func mutate(t *testing.T, h storetest.Harness, bug func(*testing.T, *storetest.Faults) bugs) storetest.Harness {
	good := h
	inner := func(d store.Driver) store.Driver { return d.(*mutant).Faults }
	h.Open = func(tb testing.TB) store.Driver {
		f := good.Open(tb).(*storetest.Faults)
		return &mutant{f, bug(t, f)}
	}
	h.Cut = func(tb testing.TB, d store.Driver) { good.Cut(tb, inner(d)) }
	h.Freeze = func(tb testing.TB, d store.Driver) { good.Freeze(tb, inner(d)) }
	h.Heal = func(tb testing.TB, d store.Driver) { good.Heal(tb, inner(d)) }
	h.Requests = func(d store.Driver) int { return good.Requests(inner(d)) }
	return h
}

// TestEachMutantIsCaught proves the kit: each deliberate bug makes the check fail whose rule it
// breaks.
func TestEachMutantIsCaught(t *testing.T) {
	for _, m := range mutants {
		t.Run(m.name, func(t *testing.T) {
			if !strings.Contains(m.caughtBy, "goroutine") { // that one counts everybody's
				t.Parallel()
			}
			var r *recorder
			for range 20 { // some bugs show only in a race that must be hit
				clk := testclock.NewClock(time.Unix(1e9, 0))
				h := mutate(t, harness(clk, clk.Advance, time.Minute), m.bug)
				h.Patience = 200 * time.Millisecond
				r = record(t, func(tb testing.TB) { storetest.RunCheck(tb, h, m.caughtBy) })
				require.False(t, r.Skipped(), "the check skipped: %s", r.said)
				if r.Failed() {
					break
				}
			}
			require.True(t, r.Failed(), "the check %q passed", m.caughtBy)
			t.Log(r.said)
			assert.Contains(t, r.said[len(r.said)-1], "The rule: ", "a failing check says its rule last")
		})
	}
}

func TestEachCheckCatchesAMutant(t *testing.T) {
	idle := storetest.CheckNames()
	for _, m := range mutants {
		for i, name := range idle {
			if name == m.caughtBy {
				idle = append(idle[:i], idle[i+1:]...)
				break
			}
		}
	}
	assert.Empty(t, strings.Join(idle, "\n"), "checks that no mutant proves")
}

func TestChecksWithoutTheirLeverSkipAloud(t *testing.T) {
	clk := testclock.NewClock(time.Unix(1e9, 0))
	h := harness(clk, clk.Advance, time.Minute)
	h.Expire, h.Cut, h.Freeze, h.Heal, h.Restart, h.Wipe, h.Requests = nil, nil, nil, nil, nil, nil, nil
	skipped := 0
	for _, name := range storetest.CheckNames() {
		r := record(t, func(tb testing.TB) { storetest.RunCheck(tb, h, name) })
		require.False(t, r.Failed(), "%s: %s", name, r.said)
		if r.Skipped() {
			skipped++
			assert.Contains(t, r.said[0], "NOT CHECKED")
		}
	}
	assert.Equal(t, 7, skipped)
}
