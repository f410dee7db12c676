package store_test

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/juju/clock"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/muster-go/muster/internal/bootclock"
	"github.com/muster-go/muster/store"
	"github.com/muster-go/muster/store/memstore"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const ttl = 10 * time.Second

// hooked is a driver whose requests pass through a hook.
type hooked struct {
	store.Driver
	mu   sync.Mutex
	hook func(op string) (before, after func() error)
	n    map[string]int

	second string // the second of the latest ListPair
}

func newHooked(d store.Driver) *hooked { return &hooked{Driver: d, n: map[string]int{}} }

func (h *hooked) set(hook func(op string) (before, after func() error)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.hook = hook
}

func (h *hooked) count(op string) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.n[op]
}

func through[T any](h *hooked, op string, do func() (T, error)) (T, error) {
	var none T
	h.mu.Lock()
	h.n[op]++
	hook := h.hook
	h.mu.Unlock()
	var before, after func() error
	if hook != nil {
		before, after = hook(op)
	}
	if before != nil {
		if err := before(); err != nil {
			return none, err
		}
	}
	v, err := do()
	if err == nil && after != nil {
		if err := after(); err != nil {
			return none, err
		}
	}
	return v, err
}

func (h *hooked) Grant(ctx context.Context, ttl time.Duration) (store.SessionID, error) {
	return through(h, "grant", func() (store.SessionID, error) { return h.Driver.Grant(context.WithoutCancel(ctx), ttl) })
}

func (h *hooked) Renew(ctx context.Context, id store.SessionID) error {
	_, err := through(h, "renew", func() (int, error) { return 0, h.Driver.Renew(context.WithoutCancel(ctx), id) })
	return err
}

func (h *hooked) Revoke(ctx context.Context, id store.SessionID) error {
	_, err := through(h, "revoke", func() (int, error) { return 0, h.Driver.Revoke(context.WithoutCancel(ctx), id) })
	return err
}

func (h *hooked) Apply(ctx context.Context, w []store.Write) ([]store.Outcome, error) {
	return through(h, "apply", func() ([]store.Outcome, error) { return h.Driver.Apply(context.WithoutCancel(ctx), w) })
}

func (h *hooked) List(ctx context.Context, prefix string) (store.Snapshot, error) {
	return through(h, "list", func() (store.Snapshot, error) { return h.Driver.List(context.WithoutCancel(ctx), prefix) })
}

// hang makes the named operations (all, if none is named) wait for the channel, whatever their context says.
func hang(until <-chan struct{}, ops ...string) func(string) (func() error, func() error) {
	return func(op string) (func() error, func() error) {
		for _, o := range ops {
			if o == op {
				return func() error { <-until; return nil }, nil
			}
		}
		if len(ops) == 0 {
			return func() error { <-until; return nil }, nil
		}
		return nil, nil
	}
}

type world struct {
	*testing.T
	service *memstore.Service
	pairs   bool // its drivers are PairListers
}

// in runs a test in a bubble, with a memory store: once with a driver that can read two prefixes at
// once, and once with one that can't.
func in(t *testing.T, f func(w world)) {
	for _, pairs := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			slog.SetDefault(slog.New(slog.DiscardHandler))
			f(world{t, memstore.NewService(bootclock.Clock), pairs})
		})
	}
}

// pairing is a hooked that is a PairLister too.
type pairing struct{ *hooked }

func (p pairing) ListPair(ctx context.Context, first, second string) (store.Snapshot, store.Snapshot, error) {
	both, err := through(p.hooked, "list", func() ([2]store.Snapshot, error) {
		p.mu.Lock()
		p.second = second
		p.mu.Unlock()
		a, b, err := p.Driver.(store.PairLister).ListPair(context.WithoutCancel(ctx), first, second)
		return [2]store.Snapshot{a, b}, err
	})
	return both[0], both[1], err
}

// open gives a process's view of the store.
func (w world) open(cfg store.Config) (*store.Store, *hooked) {
	h := newHooked(w.service.Open())
	cfg.Driver = h
	if w.pairs {
		cfg.Driver = pairing{h}
	}
	s, err := store.New(cfg)
	require.NoError(w, err)
	w.Cleanup(func() { _ = s.Close() })
	return s, h
}

func (w world) lease(s *store.Store) (*store.Session, *store.Lease) {
	x, err := s.Session(ttl)
	require.NoError(w, err)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	l, err := x.Lease(ctx)
	require.NoError(w, err)
	return x, l
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

func TestR1DeadlineIsCountedFromBeforeTheRequestWasSent(t *testing.T) {
	in(t, func(w world) {
		s, h := w.open(store.Config{Drift: 0.1, Margin: 100 * time.Millisecond})
		slow := func(string) (func() error, func() error) {
			return nil, func() error { time.Sleep(700 * time.Millisecond); return nil } // the answer takes its time
		}
		h.set(func(op string) (func() error, func() error) {
			if op == "grant" || op == "renew" {
				return slow(op)
			}
			return nil, nil
		})
		sent := bootclock.Clock.Now()
		x, l := w.lease(s)
		assert.Equal(t, ttl*9/10-100*time.Millisecond, x.Guarantee())
		assert.WithinDuration(t, sent.Add(x.Guarantee()), l.Deadline(), time.Millisecond)
		time.Sleep(ttl * 3)
		for range 50 {
			time.Sleep(130 * time.Millisecond)
			rest := l.Deadline().Sub(bootclock.Clock.Now())
			assert.LessOrEqual(t, rest, x.Guarantee()-700*time.Millisecond, "an answer that took 0.7 s leaves that much less")
			assert.Greater(t, rest, ttl/2)
		}
	})
}

func TestR1APassedDeadlineLatches(t *testing.T) {
	in(t, func(w world) {
		s, h := w.open(store.Config{})
		_, l := w.lease(s)
		until := make(chan struct{})
		h.set(hang(until, "renew", "grant"))
		deadline := l.Deadline()
		time.Sleep(deadline.Sub(bootclock.Clock.Now()) - time.Millisecond)
		require.True(t, l.Valid())
		require.False(t, isClosed(l.Lost()))
		time.Sleep(2 * time.Millisecond)
		synctest.Wait()
		require.True(t, isClosed(l.Lost()), "the timer lowers at the deadline although the renewal hangs")
		close(until) // the late answer
		h.set(nil)
		time.Sleep(time.Second)
		require.False(t, l.Valid(), "revived by a late answer")
		require.ErrorIs(t, l.Err(), store.ErrSessionGone)
		require.Error(t, l.Extend(context.Background(), time.Second))
	})
}

func TestR1NoDriverCallIsWaitedForWhenLowering(t *testing.T) {
	in(t, func(w world) {
		s, h := w.open(store.Config{})
		x, l := w.lease(s)
		until := make(chan struct{})
		h.set(hang(until))
		<-l.Lost()
		assert.WithinDuration(t, l.Deadline(), bootclock.Clock.Now(), 2*time.Millisecond)
		before := bootclock.Clock.Now()
		x.Close()
		require.NoError(t, s.Close())
		assert.Less(t, bootclock.Clock.Now().Sub(before), 3*time.Second, "Close is bounded too")
		close(until)
	})
}

// sleeper is a clock that can skip ahead as a suspended machine's does: Now jumps, timers don't.
type sleeper struct {
	clock.Clock
	mu    sync.Mutex
	slept time.Duration
}

func (s *sleeper) Now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.Clock.Now().Add(s.slept)
}

func (s *sleeper) suspend(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.slept += d
}

func TestR2AfterASuspendTheLeaseIsOverAtTheFirstLook(t *testing.T) {
	in(t, func(w world) {
		clk := &sleeper{Clock: bootclock.Clock}
		s, _ := w.open(store.Config{Clock: clk})
		_, l := w.lease(s)
		require.True(t, l.Valid())
		clk.suspend(time.Hour)
		require.False(t, l.Valid(), "no timer has fired yet")
		require.True(t, isClosed(l.Lost()))
	})
}

func TestR2AnAnswerThatASuspendMadeLateRevivesNothing(t *testing.T) {
	in(t, func(w world) {
		clk := &sleeper{Clock: bootclock.Clock}
		s, h := w.open(store.Config{Clock: clk})
		x, l := w.lease(s)
		var asleep sync.Once
		h.set(func(op string) (func() error, func() error) {
			if op != "renew" {
				return nil, nil
			}
			// Beyond the deadline, but not beyond the one that this renewal would give.
			return nil, func() error { asleep.Do(func() { clk.suspend(x.Guarantee() - ttl/20) }); return nil }
		})
		time.Sleep(ttl * 16 / 100) // one renewal; no timer has noticed the suspend
		synctest.Wait()
		require.False(t, l.Valid(), "revived by a late answer")
		require.True(t, isClosed(l.Lost()))
	})
}

func TestR3AThousandUsersCostOneRenewal(t *testing.T) {
	in(t, func(w world) {
		s, h := w.open(store.Config{})
		first, l := w.lease(s)
		for range 999 {
			x, err := s.Session(ttl)
			require.NoError(t, err)
			require.Same(t, first, x)
		}
		synctest.Wait()
		grants, renewals := h.count("grant"), h.count("renew")
		time.Sleep(10 * ttl)
		assert.Equal(t, 1, grants)
		assert.InDelta(t, 10/0.15, h.count("renew")-renewals, 2)
		for range 999 {
			first.Close()
		}
		require.True(t, l.Valid(), "one user is left")
		first.Close()
		require.False(t, l.Valid())
		assert.Equal(t, 1, h.count("revoke"))
	})
}

func TestR3ALostSessionIsRebuiltAfterAnOutageOfAnyLength(t *testing.T) {
	in(t, func(w world) {
		s, h := w.open(store.Config{})
		x, l := w.lease(s)
		_, err := l.Create(context.Background(), "elections/x/old", nil)
		require.NoError(t, err)
		w.service.Stop()
		time.Sleep(6 * ttl)
		require.False(t, l.Valid())
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		_, err = x.Lease(ctx)
		cancel()
		require.ErrorIs(t, err, store.ErrUnreachable, "says why there is none")
		w.service.Start()
		ctx, cancel = context.WithTimeout(context.Background(), ttl)
		defer cancel()
		again, err := x.Lease(ctx)
		require.NoError(t, err)
		require.NotEqual(t, l.ID(), again.ID())
		time.Sleep(2 * ttl)
		owned, err := h.Owned(context.Background(), l.ID())
		require.NoError(t, err)
		assert.Empty(t, owned, "nothing of the old session lives on")
		assert.True(t, again.Valid())
	})
}

func TestR3AGrantThatAnswersLateIsRevoked(t *testing.T) {
	in(t, func(w world) {
		s, h := w.open(store.Config{CallTimeout: time.Second})
		until := make(chan struct{})
		h.set(hang(until, "grant"))
		_, err := s.Session(ttl)
		require.NoError(t, err)
		time.Sleep(1500 * time.Millisecond)
		h.set(nil)
		close(until)
		time.Sleep(time.Second)
		assert.Positive(t, h.count("revoke"))
	})
}

func TestR4AGhostThatCommitsLateIsSwept(t *testing.T) {
	in(t, func(w world) {
		s, h := w.open(store.Config{CallTimeout: time.Second})
		_, l := w.lease(s)
		kept, err := l.Create(context.Background(), "elections/x/kept", []byte("v"))
		require.NoError(t, err)
		until := make(chan struct{})
		h.set(hang(until, "apply"))
		_, err = l.Create(context.Background(), "elections/x/ghost", []byte("v"))
		require.Error(t, err)
		require.NotErrorIs(t, err, store.ErrRefused, "the outcome is unknown")
		time.Sleep(ttl/2 + 100*time.Millisecond) // not at a renewal
		h.set(nil)
		close(until) // it commits only now
		synctest.Wait()
		snap, err := s.List(context.Background(), "elections/x/")
		require.NoError(t, err)
		require.Len(t, snap.Records, 2, "the ghost is there")
		time.Sleep(ttl / 4)
		snap, err = s.List(context.Background(), "elections/x/")
		require.NoError(t, err)
		require.Len(t, snap.Records, 1)
		assert.Equal(t, kept.Key, snap.Records[0].Key)
		assert.True(t, l.Valid())
	})
}

func TestR4AReplyLostAfterTheCommitLeavesNothing(t *testing.T) {
	in(t, func(w world) {
		s, h := w.open(store.Config{})
		_, l := w.lease(s)
		h.set(func(op string) (func() error, func() error) {
			if op != "apply" {
				return nil, nil
			}
			return nil, func() error { return errors.New("connection reset") }
		})
		_, err := l.Create(context.Background(), "elections/x/ghost", nil)
		require.Error(t, err)
		h.set(nil)
		time.Sleep(ttl / 4)
		snap, err := s.List(context.Background(), "elections/")
		require.NoError(t, err)
		assert.Empty(t, snap.Records)
	})
}

func TestHeldSessionIsNotRevoked(t *testing.T) {
	in(t, func(w world) {
		s, h := w.open(store.Config{})
		_, l := w.lease(s)
		release := l.Hold()
		w.service.Expire(l.ID())
		<-l.Lost()
		time.Sleep(3 * ttl)
		require.Zero(t, h.count("revoke"), "revoked under guarded work")
		release()
		release()
		time.Sleep(time.Second)
		require.Equal(t, 1, h.count("revoke"))
	})
}

func TestAtRestASessionCostsItsRenewalsAndLittleMore(t *testing.T) {
	in(t, func(w world) {
		s, h := w.open(store.Config{})
		w.lease(s)
		time.Sleep(3 * ttl)
		lists, applies := h.count("list"), h.count("apply")
		time.Sleep(10 * ttl)
		assert.InDelta(t, 10/0.6, h.count("list")-lists, 1, "the era is read at every fourth renewal")
		assert.Equal(t, applies, h.count("apply"))
	})
}
