package endurance_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/claimer"
	"github.com/muster-go/muster/store"
	"github.com/muster-go/muster/store/memstore"
	"github.com/muster-go/muster/store/storetest"
	"github.com/muster-go/muster/tracker"
)

func newTracker(q claimer.Claimer, name, holder string, duration time.Duration) (*tracker.Worker, error) {
	return tracker.New(tracker.Config{
		Claimer: q, Candidate: claimer.Candidate{Name: name, Holder: holder}, Duration: duration, Logger: quiet,
	})
}

func TestCyclesOfATrackerLeaveNothing(t *testing.T) {
	for _, p := range places(t) {
		st := must[*store.Store](t)(p.open())
		q := must[*claimer.Queue](t)(newQueue(st, p.ttl))
		duration := p.ttl * 2 / 5
		t.Run("that leads, on "+p.name, func(t *testing.T) {
			run(t, p.cycles, func(i int) error {
				w, err := newTracker(q, fmt.Sprintf("leads-%d", i%10), fmt.Sprint(i), duration)
				if err != nil {
					return err
				}
				return errors.Join(leads(w), end(w))
			})
		})
		t.Run("that waits behind another, on "+p.name, func(t *testing.T) {
			first := must[*tracker.Worker](t)(newTracker(q, "waits", "first", duration))
			require.NoError(t, leads(first))
			run(t, p.cycles, func(i int) error {
				w, err := newTracker(q, "waits", fmt.Sprint(i), duration)
				if err != nil {
					return err
				}
				return errors.Join(follows(w), end(w))
			})
			require.NoError(t, end(first))
		})
		t.Run("that is killed at once, on "+p.name, func(t *testing.T) {
			run(t, p.cycles, func(i int) error {
				w, err := newTracker(q, "at once", fmt.Sprint(i), duration)
				if err != nil {
					return err
				}
				return end(w)
			})
		})
		t.Run("that resigns and leads again, on "+p.name, func(t *testing.T) {
			w := must[*tracker.Worker](t)(newTracker(q, "resigns", "a", tick))
			oneByOne(t, p.cycles, func(int) error {
				if err := leads(w); err != nil {
					return err
				}
				ctx, cancel := soon()
				defer cancel()
				_, _ = w.Resign(ctx) // a busy store may not take the claim back before its short end
				return nil
			})
			require.NoError(t, end(w))
		})
		require.NoError(t, q.Close())
		require.NoError(t, st.Close())
	}
}

// leads has the tracker lead, with all that it offers in use, and leaves what it can leave behind.
func leads(w *tracker.Worker) error {
	ctx, cancel := soon()
	defer cancel()
	events := w.Observe(ctx)
	minion, leader := w.WaitMinion(), w.WaitLeader()
	if err := hears("leadership", leader.Ready()); err != nil {
		return err
	}
	err := w.RunWhileLeader(ctx, func(ctx context.Context, _ claimer.Claim) error { return ctx.Err() })
	if err != nil && !errors.Is(err, tracker.ErrLeadershipChanged) {
		return err
	}
	_, _ = w.ClaimLeader().Wait(), minion
	if hold, err := w.Hold(); err == nil {
		_, _ = hold.Context(context.Background()) // not cancelled: it ends with the term
		hold.Release()
	}
	<-events
	return nil
}

// follows waits until the tracker knows who leads.
func follows(w *tracker.Worker) error {
	ctx, cancel := soon()
	defer cancel()
	_ = w.WaitLeader() // which nobody asks
	if w.ClaimLeader().Wait() {
		return errors.New("it leads beside another")
	}
	_, err := w.Leader(ctx)
	return err
}

func TestCyclesOfATrackerOnAStoreThatHangsLeaveNothing(t *testing.T) {
	for _, c := range []struct {
		name   string
		faults []storetest.Op
	}{
		{"from the beginning", nil},
		{"when it asks for the claim", []storetest.Op{storetest.Apply}},
		{"when it decides", []storetest.Op{storetest.List}},
	} {
		t.Run(c.name, func(t *testing.T) {
			service := memstore.NewService(wall)
			run(t, 1000, func(i int) error {
				faults := storetest.WithFaults(service.Open(), wall)
				st, err := store.New(store.Config{Driver: faults, Logger: quiet})
				if err != nil {
					return err
				}
				faults.Inject(storetest.Fault{Kind: storetest.Hang, Ops: c.faults})
				q, err := newQueue(st, time.Second)
				if err != nil {
					return err
				}
				w, err := newTracker(q, "web", fmt.Sprint(i), 20*time.Millisecond)
				if err != nil {
					return err
				}
				if err := calls(faults, c.faults); err != nil {
					return err
				}
				w.Kill()
				// What hangs, hangs on until the driver is closed.
				return errors.Join(w.Wait(), st.Close(), q.Close())
			})
		})
	}
	t.Run("a Claimer that never returns", func(t *testing.T) {
		run(t, 500, func(i int) error {
			free := make(chan struct{})
			defer close(free)
			w, err := newTracker(deaf{free}, "web", fmt.Sprint(i), tracker.MinDuration)
			if err != nil {
				return err
			}
			if i%10 == 0 { // long enough for calls to be abandoned
				<-time.After(4 * tracker.MinDuration)
			}
			return end(w)
		})
	})
}

// calls waits until one of the operations was called.
func calls(faults *storetest.Faults, ops []storetest.Op) error {
	for began := time.Now(); time.Since(began) < patience; <-time.After(100 * time.Microsecond) {
		if faults.Calls(ops...) > 0 {
			return nil
		}
	}
	return fmt.Errorf("none of %v was called within %v", ops, patience)
}

// deaf is a Claimer whose calls return when nobody waits for them any more.
type deaf struct{ free chan struct{} }

func (d deaf) Claim(context.Context, claimer.Candidate, time.Duration) (claimer.Claim, error) {
	<-d.free
	return claimer.Claim{}, errors.New("too late")
}

func (d deaf) Release(context.Context, claimer.Claim) error { <-d.free; return nil }

func (d deaf) WaitReleased(context.Context, claimer.Candidate) error { <-d.free; return nil }

func TestCyclesOfTrackersThatFailLeaveNothing(t *testing.T) {
	t.Run("refused by New", func(t *testing.T) {
		run(t, 1000, func(int) error {
			_, err := newTracker(deaf{}, "web", "a#b", time.Second)
			return want(err, claimer.ErrInvalid)
		})
	})
	t.Run("ended by a permanent error", func(t *testing.T) {
		p := inMemory()
		st := must[*store.Store](t)(p.open())
		registry := prometheus.NewRegistry()
		oneByOne(t, 1000, func(i int) error {
			q, err := newQueue(st, p.ttl)
			if err != nil {
				return err
			}
			if err := q.Close(); err != nil {
				return err
			}
			w, err := tracker.New(tracker.Config{
				Claimer: q, Candidate: claimer.Candidate{Name: "web", Holder: fmt.Sprint(i)},
				Duration: p.ttl * 2 / 5, Logger: quiet, Metrics: registry,
			})
			if err != nil {
				return err
			}
			return want(w.Wait(), claimer.ErrClosed)
		})
		require.NoError(t, st.Close())
	})
}
