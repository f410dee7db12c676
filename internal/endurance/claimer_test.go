package endurance_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/claimer"
	"github.com/muster-go/muster/store"
	"github.com/muster-go/muster/store/memstore"
)

func TestCyclesOfAQueueLeaveNothing(t *testing.T) {
	for _, p := range places(t) {
		t.Run("made each time, on "+p.name, func(t *testing.T) {
			st := must[*store.Store](t)(p.open())
			oneByOne(t, p.cycles, func(i int) error {
				q, err := newQueue(st, p.ttl)
				if err != nil {
					return err
				}
				return errors.Join(claims(q, fmt.Sprintf("made-%d", i), q.MaxDuration()), q.Close())
			})
			require.NoError(t, st.Close())
		})
		t.Run("claims of one that lives on, on "+p.name, func(t *testing.T) {
			st := must[*store.Store](t)(p.open())
			q := must[*claimer.Queue](t)(newQueue(st, p.ttl))
			run(t, p.cycles, func(i int) error { return claims(q, fmt.Sprintf("lives-%d", i), q.MaxDuration()) })
			require.NoError(t, q.Close())
			require.NoError(t, st.Close())
		})
	}
	t.Run("closed while somebody waits, holds and claims", func(t *testing.T) {
		p := inMemory()
		st := must[*store.Store](t)(p.open())
		run(t, 1000, func(i int) error { return closedInTheMiddle(st, p.ttl, fmt.Sprintf("middle-%d", i)) })
		require.NoError(t, st.Close())
	})
	t.Run("on a store that is away", func(t *testing.T) {
		service := memstore.NewService(wall)
		st := must[*store.Store](t)(store.New(store.Config{Driver: service.Open(), Logger: quiet}))
		service.Stop()
		oneByOne(t, 1000, func(int) error {
			q, err := newQueue(st, time.Second)
			if err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
			defer cancel()
			_, err = q.Claim(ctx, claimer.Candidate{Name: "web", Holder: "a"}, q.MaxDuration())
			return errors.Join(want(err, context.DeadlineExceeded, store.ErrUnreachable), q.Close())
		})
		require.NoError(t, st.Close())
	})
	t.Run("refused", func(t *testing.T) {
		p := inMemory()
		st := must[*store.Store](t)(p.open())
		q := must[*claimer.Queue](t)(newQueue(st, p.ttl))
		run(t, 1000, func(int) error {
			ctx, cancel := soon()
			defer cancel()
			_, err := q.Claim(ctx, claimer.Candidate{Name: "../x", Holder: "a"}, time.Millisecond)
			_, too := q.Claim(ctx, claimer.Candidate{Name: "x", Holder: "a"}, time.Hour)
			return errors.Join(want(err, claimer.ErrInvalid), want(too, claimer.ErrInvalid))
		})
		require.NoError(t, q.Close())
		require.NoError(t, st.Close())
	})
}

func newQueue(st *store.Store, ttl time.Duration) (*claimer.Queue, error) {
	return claimer.New(claimer.Config{Store: st, TTL: ttl, Logger: quiet})
}

// claims has two candidates, of which the first claims, extends, holds and releases, and then the
// second, who waits for it, claims and releases.
func claims(q *claimer.Queue, name string, d time.Duration) error {
	ctx, cancel := soon()
	defer cancel()
	a, b := claimer.Candidate{Name: name, Holder: "a"}, claimer.Candidate{Name: name, Holder: "b"}
	first, err := q.Claim(ctx, a, d)
	if err != nil {
		return err
	}
	_, denied := q.Claim(ctx, b, d)
	if err := want(denied, claimer.ErrDenied); err != nil {
		return err
	}
	waited := make(chan error, 1)
	go func() { waited <- q.WaitReleased(ctx, b) }()
	hold, err := q.Hold(first)
	if err != nil {
		return err
	}
	_, err = q.Claim(ctx, a, d)
	hold.Release()
	if err := errors.Join(err, q.Release(ctx, first), <-waited); err != nil {
		return err
	}
	second, err := q.Claim(ctx, b, d)
	if err != nil {
		return err
	}
	if second.Token <= first.Token {
		return fmt.Errorf("token %d after %d", second.Token, first.Token)
	}
	return q.Release(ctx, second)
}

// closedInTheMiddle closes a queue on which everything is under way.
func closedInTheMiddle(st *store.Store, ttl time.Duration, name string) error {
	ctx, cancel := soon()
	defer cancel()
	q, err := newQueue(st, ttl)
	if err != nil {
		return err
	}
	claim, err := q.Claim(ctx, claimer.Candidate{Name: name, Holder: "a"}, q.MaxDuration())
	if err != nil {
		return err
	}
	hold, err := q.Hold(claim)
	if err != nil {
		return err
	}
	ended := make(chan error, 3)
	b := claimer.Candidate{Name: name, Holder: "b"}
	go func() { ended <- q.WaitReleased(ctx, b) }()
	go func() {
		_, err := q.Claim(ctx, b, q.MaxDuration())
		ended <- err
	}()
	go func() { ended <- q.Watch(ctx, name, func(claimer.View) {}) }()
	errs := []error{q.Close()}
	hold.Release()
	cancel()
	for range cap(ended) {
		errs = append(errs, want(<-ended, nil, claimer.ErrClosed, claimer.ErrDenied, context.Canceled))
	}
	return errors.Join(errs...)
}
