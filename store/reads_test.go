package store_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/store"
)

// A renewal doesn't move the deadline on then, and Extend would ask for the next one at once.
func TestR5WhileTheEraCantBeReadExtendDoesNotRenewWithoutEnd(t *testing.T) {
	in(t, func(w world) {
		w.Cleanup(func() { time.Sleep(time.Second) }) // the store's end leaves requests behind, which take a moment
		s, h := w.open(store.Config{})
		_, l := w.lease(s)
		h.set(func(op string) (func() error, func() error) {
			switch op {
			case "list":
				return func() error { time.Sleep(time.Millisecond); return errors.New("refused") }, nil
			case "renew":
				return func() error { time.Sleep(time.Millisecond); return nil }, nil
			}
			return nil, nil
		})
		renewals, reads := h.count("renew"), h.count("list")
		for !isClosed(l.Lost()) {
			ctx, cancel := context.WithTimeout(context.Background(), ttl)
			_ = l.Extend(ctx, ttl*8/10)
			cancel()
			time.Sleep(ttl / 10)
		}
		assert.Less(t, h.count("renew")-renewals, 80)
		assert.Less(t, h.count("list")-reads, 120)
	})
}

func TestR5RequestsThatHangAreNotInTheWayOfTheReadsThatALeaseNeeds(t *testing.T) {
	in(t, func(w world) {
		s, h := w.open(store.Config{})
		_, l := w.lease(s)
		until := make(chan struct{})
		h.set(hang(until, "apply"))
		for i := range 100 {
			go func() {
				_, _ = s.Apply(context.Background(), []store.Write{{Kind: store.Create, Key: fmt.Sprint("other/", i)}})
			}()
		}
		time.Sleep(4 * ttl)
		assert.True(t, l.Valid(), "%v", l.Err())
		close(until)
		synctest.Wait()
	})
}

func TestR5EraReadsThatHangForEverDoNotPileUp(t *testing.T) {
	in(t, func(w world) {
		s, h := w.open(store.Config{})
		_, l := w.lease(s)
		until := make(chan struct{})
		reads := h.count("list")
		h.set(hang(until, "list"))
		for !isClosed(l.Lost()) {
			ctx, cancel := context.WithTimeout(context.Background(), ttl)
			_ = l.Extend(ctx, ttl*8/10)
			cancel()
			time.Sleep(ttl / 100)
		}
		assert.LessOrEqual(t, h.count("list")-reads, 20)
		close(until)
		synctest.Wait()
	})
}

// A TTL of this process that no mark tells of yet has the decision make one, and read again.
func TestR5ADecisionThatMarksALongerTTLIsTakenAtOnce(t *testing.T) {
	in(t, func(w world) {
		s, h := w.open(store.Config{})
		_, l := w.lease(s)
		until := make(chan struct{})
		h.set(hang(until, "list"))
		long, err := s.Session(3 * ttl)
		require.NoError(t, err)
		synctest.Wait() // its first read hangs
		long.Close()
		h.set(func(op string) (func() error, func() error) {
			if op == "apply" && h.count("apply") > 100 {
				return func() error { return errors.New("too many") }, nil
			}
			return nil, nil
		})
		close(until)
		lists, applies := h.count("list"), h.count("apply")
		_, _, err = l.Decide(context.Background(), prefix)
		require.NoError(t, err)
		assert.LessOrEqual(t, h.count("list")-lists, 4)
		assert.LessOrEqual(t, h.count("apply")-applies, 1)
	})
}

func TestR5AnAnswerThatShowsTheEraOfBeforeAWipeComesTooLateToCostALease(t *testing.T) {
	in(t, func(w world) {
		s, h := w.open(store.Config{})
		x, l := w.lease(s)
		synctest.Wait() // the watch has begun
		late := true
		h.set(func(op string) (func() error, func() error) {
			if op != "list" || !late {
				return nil, nil
			}
			late = false
			return nil, func() error { time.Sleep(ttl / 4); return nil }
		})
		go func() { _, _, _ = l.Decide(context.Background(), prefix) }() // the answer is on its way for long
		synctest.Wait()
		require.False(t, late)
		w.service.Wipe()
		<-l.Lost()
		again, err := x.Lease(context.Background())
		require.NoError(t, err)
		time.Sleep(ttl)
		assert.True(t, again.Valid(), "%v", again.Err())
	})
}
