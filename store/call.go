package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/muster-go/muster/internal/chance"
)

// maxCalls bounds how many requests can be under way at once, those included that were abandoned
// and still hang in the driver (see slots). What keeps a session alive doesn't count: each session
// bounds its grants, renewals, revocations and the reads of the era that let its lease go on, each
// kind by itself, so that no other hanging request is in their way.
const (
	maxCalls        = 64
	maxSessionCalls = 4
	maxSessionReads = 16
)

// errAbandoned is in the chain of a request's error when it was given up unanswered: its outcome is
// unknown, and it may yet take effect.
var errAbandoned = errors.New("no answer")

type answer[T any] struct {
	value T
	err   error
}

// call makes a request of the driver and waits for its answer, but no longer than the limit, ctx
// or the store's life, even if the driver ignores its context.
func call[T any](ctx context.Context, s *Store, slots *slots, op string, limit time.Duration, f func(context.Context) (T, error)) (T, error) {
	var none T
	timer := s.clk.NewTimer(limit)
	defer timer.Stop()
	place, err := slots.enter(ctx, timer.Chan())
	if err != nil {
		return none, err
	}
	defer place.abandon() // unless it has returned
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	answers := make(chan answer[T], 1)
	go func() {
		value, err := f(ctx)
		place.leave()
		s.meter.request(op, err)
		answers <- answer[T]{value, err}
	}()
	select {
	case a := <-answers:
		return a.value, a.err
	case <-timer.Chan():
		s.meter.request(op, errAbandoned)
		return none, fmt.Errorf("%w within %v", errAbandoned, limit)
	case <-ctx.Done():
		return none, fmt.Errorf("%w: %w", errAbandoned, ctx.Err())
	case <-s.ctx.Done():
		return none, fmt.Errorf("%w: %w", errAbandoned, context.Canceled)
	}
}

// refusedBy marks a request that was never sent because its context had ended.
func refusedBy(err error) error { return fmt.Errorf("%w: %w", ErrUnreachable, err) }

// known tells whether an error's class says what became of a write.
func known(err error) bool {
	return err == nil || errors.Is(err, ErrRefused) || errors.Is(err, ErrGone)
}

// permanent tells whether asking again can't help.
func permanent(err error) bool {
	return errors.Is(err, ErrInvalid) || errors.Is(err, ErrUnauthorized) || errors.Is(err, ErrClosed)
}

// backoff is a jittered exponential backoff: the n-th wait is between half and the whole of
// min(first×2ⁿ, most).
type backoff struct {
	first, most time.Duration
	random      io.Reader
	next        time.Duration
}

func (b *backoff) wait() time.Duration {
	b.next = min(max(b.next*2, b.first), b.most)
	return b.next/2 + chance.Upto(b.random, b.next/2)
}

func (b *backoff) reset() { b.next = 0 }

// sleep waits for d on the store's clock; false if ctx ended first.
func (s *Store) sleep(ctx context.Context, d time.Duration) bool {
	timer := s.clk.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.Chan():
		return true
	case <-ctx.Done():
		return false
	}
}
