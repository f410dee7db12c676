package storetest

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/muster-go/muster/store"
)

// Faults is a store.Driver that does what the one under it does, except for the faults that are
// injected into it. All methods may be called from many goroutines at once.
type Faults struct {
	inner  store.Driver
	clk    store.Clock
	closed chan struct{}
	once   sync.Once

	mu      sync.Mutex
	faults  []*active
	changed chan struct{} // closed and replaced at each Inject and Heal
	calls   map[Op]int
	waiting int
	cuts    int   // counts the cuts of all watches, so that one healed at once is noticed too
	cutErr  error // of the latest
}

var (
	_ store.Driver     = (*Faults)(nil)
	_ store.PairLister = (*Faults)(nil)
)

// active is an injected fault; guarded by the lock.
type active struct {
	Fault
	ops     map[Op]bool // those not yet healed
	limited bool
	left    int // of a limited fault's calls
}

// WithFaults wraps d, without any fault yet. Delays are counted on clk.
func WithFaults(d store.Driver, clk store.Clock) *Faults {
	return &Faults{inner: d, clk: clk, closed: make(chan struct{}), changed: make(chan struct{}), calls: map[Op]int{}}
}

// Inject makes a fault begin. Of several that fit a call the one injected first takes it.
func (f *Faults) Inject(fault Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	a := &active{Fault: fault, ops: map[Op]bool{}, limited: fault.Calls > 0, left: fault.Calls}
	ops := fault.Ops
	if len(ops) == 0 {
		ops = allOps
	}
	for _, op := range ops {
		a.ops[op] = true
	}
	if a.ops[Watch] && !a.limited && a.cuts() {
		f.cuts++
		f.cutErr = a.err()
	}
	f.faults = append(f.faults, a)
	f.change()
}

// CutWatches is Inject of a Fail of Watch: the watches lose their connection until Heal.
func (f *Faults) CutWatches() {
	f.Inject(Fault{Kind: Fail, Ops: []Op{Watch}, Err: fmt.Errorf("storetest: watch cut: %w", store.ErrUnreachable)})
}

// Heal ends every fault of these operations; of all, if none is named. It doesn't wait for the
// calls that it sets free: see Waiting.
func (f *Faults) Heal(ops ...Op) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, a := range f.faults {
		for op := range a.ops {
			if len(ops) == 0 || slices.Contains(ops, op) {
				delete(a.ops, op)
			}
		}
	}
	f.faults = slices.DeleteFunc(f.faults, func(a *active) bool { return len(a.ops) == 0 })
	f.change()
}

// Calls counts the calls begun so far of these operations, disturbed or not; of all, if none is
// named.
func (f *Faults) Calls(ops ...Op) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(ops) == 0 {
		ops = allOps
	}
	n := 0
	for _, op := range ops {
		n += f.calls[op]
	}
	return n
}

// Waiting counts the calls, watches aside, that a Hang, LateReply or Delay holds now. A late call
// is counted until it is done.
func (f *Faults) Waiting() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.waiting
}

// change tells all who wait to look again; with the lock held.
func (f *Faults) change() {
	close(f.changed)
	f.changed = make(chan struct{})
}

// begin counts a call and gives the fault that takes it, or nil.
func (f *Faults) begin(op Op) *active {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls[op]++
	for _, a := range f.faults {
		switch {
		case !a.ops[op]:
		case !a.limited:
			return a
		case a.left > 0:
			a.left--
			return a
		}
	}
	return nil
}

// inForce reports whether the fault still disturbs op, and when to ask again.
func (f *Faults) inForce(a *active, op Op) (bool, <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return a != nil && a.ops[op], f.changed
}

// hold blocks until the fault is healed; false: the driver was closed first.
func (f *Faults) hold(a *active, op Op) bool {
	for {
		on, changed := f.inForce(a, op)
		if !on {
			return true
		}
		select {
		case <-changed:
		case <-f.closed:
			return false
		}
	}
}

// delay blocks for the fault's delay, or until it is healed.
func (f *Faults) delay(ctx context.Context, a *active, op Op) error {
	timer := f.clk.NewTimer(a.Fault.Delay)
	defer timer.Stop()
	for {
		on, changed := f.inForce(a, op)
		if !on {
			return nil
		}
		select {
		case <-timer.Chan():
			return nil
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("storetest: injected delay: %w", ctx.Err())
		case <-f.closed:
			return errClosed()
		}
	}
}

func errClosed() error { return fmt.Errorf("storetest: %w", store.ErrClosed) }

// do is every call but Watch.
func do[T any](ctx context.Context, f *Faults, op Op, call func(context.Context) (T, error)) (T, error) {
	var none T
	select {
	case <-f.closed:
		return none, errClosed()
	default:
	}
	a := f.begin(op)
	if a == nil {
		return call(ctx)
	}
	f.wait(1)
	defer f.wait(-1)
	switch a.Kind {
	case Hang:
		if !f.hold(a, op) {
			return none, errClosed()
		}
		return none, a.err()
	case LateReply:
		if !f.hold(a, op) {
			return none, errClosed()
		}
		return call(context.WithoutCancel(ctx))
	case DropReply:
		_, _ = call(ctx)
		return none, a.err()
	case Delay:
		if err := f.delay(ctx, a, op); err != nil {
			return none, err
		}
		return call(ctx)
	default:
		return none, a.err()
	}
}

func (f *Faults) wait(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.waiting += n
}

// Limits implements store.Driver; no fault touches it.
func (f *Faults) Limits() store.Limits { return f.inner.Limits() }

// Proof implements store.Driver.
func (f *Faults) Proof(ctx context.Context) (bool, error) {
	return do(ctx, f, Proof, f.inner.Proof)
}

// Grant implements store.Driver.
func (f *Faults) Grant(ctx context.Context, ttl time.Duration) (store.SessionID, error) {
	return do(ctx, f, Grant, func(ctx context.Context) (store.SessionID, error) { return f.inner.Grant(ctx, ttl) })
}

// Renew implements store.Driver.
func (f *Faults) Renew(ctx context.Context, id store.SessionID) error {
	_, err := do(ctx, f, Renew, func(ctx context.Context) (struct{}, error) { return struct{}{}, f.inner.Renew(ctx, id) })
	return err
}

// Revoke implements store.Driver.
func (f *Faults) Revoke(ctx context.Context, id store.SessionID) error {
	_, err := do(ctx, f, Revoke, func(ctx context.Context) (struct{}, error) { return struct{}{}, f.inner.Revoke(ctx, id) })
	return err
}

// Owned implements store.Driver.
func (f *Faults) Owned(ctx context.Context, id store.SessionID) ([]store.Record, error) {
	return do(ctx, f, Owned, func(ctx context.Context) ([]store.Record, error) { return f.inner.Owned(ctx, id) })
}

// Apply implements store.Driver.
func (f *Faults) Apply(ctx context.Context, writes []store.Write) ([]store.Outcome, error) {
	return do(ctx, f, Apply, func(ctx context.Context) ([]store.Outcome, error) { return f.inner.Apply(ctx, writes) })
}

// List implements store.Driver.
func (f *Faults) List(ctx context.Context, prefix string) (store.Snapshot, error) {
	return do(ctx, f, List, func(ctx context.Context) (store.Snapshot, error) { return f.inner.List(ctx, prefix) })
}

// ListPair implements store.PairLister, for a driver that doesn't too, and counts as one List.
func (f *Faults) ListPair(ctx context.Context, first, second string) (store.Snapshot, store.Snapshot, error) {
	both, err := do(ctx, f, List, func(ctx context.Context) (both [2]store.Snapshot, err error) {
		if pairs, ok := f.inner.(store.PairLister); ok {
			both[0], both[1], err = pairs.ListPair(ctx, first, second)
			return both, err
		}
		if both[0], err = f.inner.List(ctx, first); err == nil {
			both[1], err = f.inner.List(ctx, second)
		}
		return both, err
	})
	return both[0], both[1], err
}

// Close closes the driver under it too. Calls and watches that a fault holds end with
// store.ErrClosed; a late call that wasn't let through is never done.
func (f *Faults) Close() error {
	f.once.Do(func() { close(f.closed) })
	return f.inner.Close()
}
