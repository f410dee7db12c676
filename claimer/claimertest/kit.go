package claimertest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/muster-go/muster/claimer"
)

// kit is one round of a check. Its methods that end the round are for the check's own goroutine.
type kit struct {
	testing.TB // of the check; but Cleanup is of the round
	stage      *stage
	h          Harness
	d          time.Duration // of every claim
	worst      time.Duration // failover
	step       time.Duration // between two looks
	ever       time.Duration // what has not come by then counts as never

	ctx    context.Context // of every call; ends with the round
	calls  sync.WaitGroup
	mark   string // part of every name of this round
	broken map[claimer.Claimer]bool
	opened int // of the stage's views

	mu       sync.Mutex
	cleanups []func()
}

// late is what a round panics with that proves nothing.
type late string

// round runs the body once and says what was late, if anything was.
func round(t testing.TB, s *stage, body func(k *kit)) (why string) {
	h := s.h
	ctx, cancel := context.WithCancel(context.Background())
	k := &kit{
		TB: t, stage: s, h: h,
		d: h.Duration, worst: h.WorstFailover, step: h.Duration / 20,
		ever:   h.Duration + h.WorstFailover + max(10*time.Second, 2*h.Duration),
		ctx:    ctx,
		mark:   strings.ToLower(rand.Text()[:8]) + "-",
		broken: map[claimer.Claimer]bool{},
	}
	defer func() {
		for view := range k.broken {
			h.Heal(view)
		}
		cancel()
		k.finish()
		for _, f := range slices.Backward(k.cleanups) {
			f()
		}
	}()
	defer func() {
		switch p := recover().(type) {
		case nil:
		case late:
			why = string(p)
		default:
			panic(p)
		}
	}()
	body(k)
	return ""
}

// finish waits for the calls whose contexts have just ended.
func (k *kit) finish() {
	ended := make(chan struct{})
	go func() {
		k.calls.Wait()
		close(ended)
	}()
	select {
	case <-ended:
	case <-k.h.Clock.After(k.ever):
		k.Errorf("a call goes on %v after its context ended: Claim, Release and WaitReleased return when their context ends", k.ever)
	}
}

// late ends the round: what was seen proves nothing by itself.
func (k *kit) late(format string, args ...any) { panic(late(fmt.Sprintf(format, args...))) }

func (k *kit) now() time.Time { return k.h.Clock.Now() }

// sleep lets d pass on the clock.
func (k *kit) sleep(d time.Duration) { <-k.h.Clock.After(d) }

// nap is sleep for goroutines of the round: it says false when the round ends.
func (k *kit) nap(d time.Duration) bool {
	select {
	case <-k.h.Clock.After(d):
		return true
	case <-k.ctx.Done():
		return false
	}
}

// name makes a name that no other check and no earlier run uses.
func (k *kit) name(s string) string { return k.mark + s }

// candidate stands for the name, with an incarnation of its own (R13).
func (k *kit) candidate(name, who string) claimer.Candidate {
	return claimer.Candidate{
		Name:       name,
		Holder:     who + "#" + rand.Text()[:8],
		Attributes: map[string]string{"address": who + ".example:80"},
	}
}

// Cleanup runs f when the round has ended.
func (k *kit) Cleanup(f func()) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.cleanups = append(k.cleanups, f)
}

// open gives another view than before in this round. Others use it too, under other names.
func (k *kit) open() claimer.Claimer {
	k.opened++
	return k.stage.view(k.opened - 1)
}

// fragile gives a view of the round's own, for the levers.
func (k *kit) fragile() claimer.Claimer { return k.h.Open(k) }

// cut and freeze break a view until heal, or the end of the round.
func (k *kit) cut(view claimer.Claimer) {
	k.broken[view] = true
	k.h.Cut(view)
}

func (k *kit) freeze(view claimer.Claimer) {
	k.broken[view] = true
	k.h.Freeze(view)
}

func (k *kit) heal(view claimer.Claimer) {
	delete(k.broken, view)
	k.h.Heal(view)
}

// spawn runs f in a goroutine that the round waits for; f ends when k.ctx does.
func (k *kit) spawn(f func()) <-chan struct{} {
	done := make(chan struct{})
	k.calls.Add(1)
	go func() {
		defer k.calls.Done()
		defer close(done)
		f()
	}()
	return done
}

// comes waits at most limit for the channel to close.
func (k *kit) comes(ch <-chan struct{}, limit time.Duration) bool {
	select {
	case <-ch:
		return true
	default:
	}
	select {
	case <-ch:
		return true
	case <-k.h.Clock.After(limit):
		return false
	}
}

// result is what a call gave, and the instants on the clock before it and after it.
type result[T any] struct {
	value         T
	err           error
	before, after time.Time
}

// call makes a call that must end by itself; the round ends if it doesn't, ever.
func call[T any](k *kit, what string, f func(ctx context.Context) (T, error)) result[T] {
	k.Helper()
	ctx, cancel := context.WithCancel(k.ctx)
	defer cancel()
	var r result[T]
	done := k.spawn(func() {
		r.before = k.now()
		r.value, r.err = f(ctx)
		r.after = k.now()
	})
	if limit := 2 * k.ever; !k.comes(done, limit) {
		k.late("%s did not return within %v", what, limit)
	}
	return r
}

// term is a claim, by whom it was got, and until when it is surely in force.
type term struct {
	claimer.Claim
	view  claimer.Claimer
	since time.Time // before the call
	until time.Time // since + d
	at    time.Time // after the return
}

// claim asks once.
func (k *kit) claim(view claimer.Claimer, c claimer.Candidate) (term, error) {
	k.Helper()
	r := call(k, fmt.Sprintf("Claim of %q", c.Name), func(ctx context.Context) (claimer.Claim, error) {
		return view.Claim(ctx, c, k.d)
	})
	k.sane(r.err)
	return term{Claim: r.value, view: view, since: r.before, until: r.before.Add(k.d), at: r.after}, r.err
}

// sane fails the check on an error that no good request gets.
func (k *kit) sane(err error) {
	k.Helper()
	if permanent(err) {
		k.Fatalf("a good request got a permanent error: %v", err)
	}
	if errors.Is(err, claimer.ErrDenied) {
		if _, ok := errors.AsType[*claimer.DeniedError](err); !ok {
			k.Fatalf("a denial that is no *claimer.DeniedError: %v (%T)", err, err)
		}
	}
}

func permanent(err error) bool {
	return errors.Is(err, claimer.ErrInvalid) || errors.Is(err, claimer.ErrUnauthorized) || errors.Is(err, claimer.ErrClosed)
}

// acquire claims until it is granted, and waits in between, as a tracker does.
func (k *kit) acquire(view claimer.Claimer, c claimer.Candidate) term {
	k.Helper()
	began := k.now()
	for {
		t, err := k.claim(view, c)
		if err == nil {
			return t
		}
		rest := k.ever - k.now().Sub(began)
		if rest <= 0 {
			k.late("%s was not granted %q within %v, though nobody else wants to keep it; the last answer: %v", c.Holder, c.Name, k.ever, err)
		}
		pause := k.step
		if errors.Is(err, claimer.ErrDenied) && k.waitAtMost(view, c, rest) == nil {
			pause /= 10
		}
		k.sleep(pause)
	}
}

// waitAtMost calls WaitReleased and cancels it after limit.
func (k *kit) waitAtMost(view claimer.Claimer, c claimer.Candidate, limit time.Duration) error {
	k.Helper()
	return call(k, fmt.Sprintf("WaitReleased of %q", c.Name), func(ctx context.Context) (struct{}, error) {
		ctx, cancel := k.timeout(ctx, limit)
		defer cancel()
		return struct{}{}, view.WaitReleased(ctx, c)
	}).err
}

// timeout ends a context after d on the clock.
func (k *kit) timeout(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	timer := k.h.Clock.AfterFunc(d, cancel)
	return ctx, func() {
		timer.Stop()
		cancel()
	}
}

// poll claims again and again, without waiting in between, until it is granted.
func (k *kit) poll(view claimer.Claimer, c claimer.Candidate, limit time.Duration) (t term, ok bool) {
	k.Helper()
	for began := k.now(); k.now().Sub(began) < limit; k.sleep(k.step) {
		if t, err := k.claim(view, c); err == nil {
			return t, true
		}
	}
	return term{}, false
}

// release asks once.
func (k *kit) release(view claimer.Claimer, c claimer.Claim) error {
	k.Helper()
	r := call(k, fmt.Sprintf("Release of %q", c.Name), func(ctx context.Context) (struct{}, error) {
		return struct{}{}, view.Release(ctx, c)
	})
	if permanent(r.err) {
		k.Fatalf("Release of a claim got a permanent error: %v", r.err)
	}
	return r.err
}

// free releases a claim that the check has done with, unless it has just run out.
func (k *kit) free(t term) {
	k.Helper()
	if err := k.release(t.view, t.Claim); err != nil {
		if errors.Is(err, claimer.ErrNotHeld) {
			if rest := t.until.Sub(k.now()); rest > 0 {
				k.Fatalf("Release of a claim that is in force for another %v: %v", rest, err)
			}
			return
		}
		k.late("a claim could not be released: %v", err)
	}
}
