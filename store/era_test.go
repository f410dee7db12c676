package store_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/internal/bootclock"
	"github.com/muster-go/muster/store"
)

const prefix = "elections/x/"

// decide creates a record and decides at once: the token, or the error.
func decide(w world, l *store.Lease, key string) (uint64, error) {
	r, err := l.Create(context.Background(), prefix+key, nil)
	if err != nil {
		return 0, err
	}
	_, floor, err := l.Decide(context.Background(), prefix)
	return floor + r.CreateRev, err
}

func TestR5InAProvenStoreTheFirstLeadsAtOnce(t *testing.T) {
	in(t, func(w world) {
		s, _ := w.open(store.Config{})
		_, l := w.lease(s)
		_, err := decide(w, l, "a")
		require.NoError(t, err)
	})
}

func TestR5AWipeEndsEveryLeaseAtOnceAndNobodyLeadsUntilTheEraIsOfAge(t *testing.T) {
	in(t, func(w world) {
		s1, _ := w.open(store.Config{})
		s2, _ := w.open(store.Config{})
		x1, l1 := w.lease(s1)
		_, l2 := w.lease(s2)
		before, err := decide(w, l1, "a")
		require.NoError(t, err)
		time.Sleep(ttl / 30)
		w.service.Wipe()
		wiped := bootclock.Clock.Now()
		synctest.Wait()
		require.True(t, isClosed(l1.Lost()))
		require.True(t, isClosed(l2.Lost()))
		require.ErrorIs(t, l1.Err(), store.ErrSessionGone)

		ctx, cancel := context.WithTimeout(context.Background(), ttl)
		defer cancel()
		l1, err = x1.Lease(ctx)
		require.NoError(t, err)
		token, err := decide(w, l1, "a")
		var young *store.YoungError
		require.ErrorAs(t, err, &young)
		assert.Contains(t, young.Reason, "wiped")
		time.Sleep(young.Wait - time.Millisecond)
		_, _, err = l1.Decide(context.Background(), prefix)
		require.ErrorAs(t, err, &young, "still too young")
		time.Sleep(2 * time.Millisecond)
		_, _, err = l1.Decide(context.Background(), prefix)
		require.NoError(t, err)
		assert.GreaterOrEqual(t, bootclock.Clock.Now().Sub(wiped), ttl)
		assert.Greater(t, token, before, "a witness of greater tokens raised the floor")

		s3, _ := w.open(store.Config{})
		_, l3 := w.lease(s3)
		_, err = decide(w, l3, "b")
		require.NoError(t, err, "who comes later trusts the mark")
	})
}

func TestR5AnotherSettledStoreInPlaceOfThisOneIsYoungToWhoKnewThisOne(t *testing.T) {
	in(t, func(w world) {
		empty := w.service.Snapshot()
		// The other store has an era of its own, in which somebody led long ago.
		other, _ := w.open(store.Config{})
		_, lo := w.lease(other)
		for _, key := range []string{"a", "b", "c", "d", "e", "f", "g", "h"} {
			_, err := decide(w, lo, key)
			require.NoError(t, err)
		}
		another := w.service.Snapshot()
		require.NoError(t, other.Close())
		w.service.Restore(empty)

		s, _ := w.open(store.Config{})
		x, l := w.lease(s)
		time.Sleep(2 * ttl) // this one is settled too, or comes of age
		_, err := decide(w, l, "y")
		require.NoError(t, err)
		replaced := bootclock.Clock.Now()
		w.service.Restore(another)
		synctest.Wait()
		<-l.Lost()
		ctx, cancel := context.WithTimeout(context.Background(), ttl)
		defer cancel()
		l, err = x.Lease(ctx)
		require.NoError(t, err)
		_, err = decide(w, l, "z")
		var young *store.YoungError
		require.ErrorAs(t, err, &young)
		time.Sleep(young.Wait + time.Millisecond)
		_, _, err = l.Decide(context.Background(), prefix)
		require.NoError(t, err)
		assert.GreaterOrEqual(t, bootclock.Clock.Now().Sub(replaced), ttl)
	})
}

func TestR5RaisingTheFloorOfAnotherStoreDoesNotShortenTheWait(t *testing.T) {
	in(t, func(w world) {
		empty := w.service.Snapshot()
		other, _ := w.open(store.Config{})
		w.lease(other)
		another := w.service.Snapshot() // settled, with hardly a token given
		require.NoError(t, other.Close())
		w.service.Restore(empty)

		s, _ := w.open(store.Config{})
		x, l := w.lease(s)
		time.Sleep(2 * ttl)
		for _, key := range []string{"a", "b", "c", "d", "e", "f", "g", "h"} {
			_, err := decide(w, l, key)
			require.NoError(t, err)
		}
		highest, err := decide(w, l, "y")
		require.NoError(t, err)
		replaced := bootclock.Clock.Now()
		w.service.Restore(another)
		synctest.Wait() // the watch tells of the other era before anything reads it
		<-l.Lost()
		ctx, cancel := context.WithTimeout(context.Background(), ttl)
		defer cancel()
		l, err = x.Lease(ctx)
		require.NoError(t, err)
		token, err := decide(w, l, "z")
		var young *store.YoungError
		require.ErrorAs(t, err, &young)
		assert.Greater(t, token, highest)
		time.Sleep(young.Wait + time.Millisecond)
		_, _, err = l.Decide(context.Background(), prefix)
		require.NoError(t, err)
		assert.GreaterOrEqual(t, bootclock.Clock.Now().Sub(replaced), ttl)
	})
}

func TestR5AYoungEraIsCountedFromWhenItWasFirstSeen(t *testing.T) {
	in(t, func(w world) {
		w.service.Wipe() // no proof
		s, _ := w.open(store.Config{})
		time.Sleep(10 * ttl) // before anything is asked of the store
		_, l := w.lease(s)
		_, err := decide(w, l, "a")
		var young *store.YoungError
		require.ErrorAs(t, err, &young)
		assert.Greater(t, young.Wait, ttl*9/10)
	})
}

func TestR5TheLongestTTLOfAnybodyCounts(t *testing.T) {
	in(t, func(w world) {
		w.service.Wipe() // no proof
		s1, _ := w.open(store.Config{})
		x, err := s1.Session(10 * ttl)
		require.NoError(t, err)
		_, err = x.Lease(context.Background())
		require.NoError(t, err)
		s2, _ := w.open(store.Config{})
		_, l := w.lease(s2)
		_, err = decide(w, l, "a")
		var young *store.YoungError
		require.ErrorAs(t, err, &young)
		assert.Greater(t, young.Wait, 9*ttl)
	})
}

func TestR5WhatIsKnownOfASettledEraIsNotReadAgain(t *testing.T) {
	in(t, func(w world) {
		if !w.pairs {
			return // it reads nothing at once
		}
		s1, h1 := w.open(store.Config{})
		_, l1 := w.lease(s1)
		_, err := decide(w, l1, "a")
		require.NoError(t, err)
		assert.Equal(t, "root/era", h1.second)

		// A wipe that nobody has told it of yet: the era of another is read in full, and is young.
		h1.set(func(op string) (func() error, func() error) {
			return func() error { h1.set(nil); w.service.Wipe(); w.lease(first(w.open(store.Config{}))); return nil }, nil
		})
		_, _, err = l1.Decide(context.Background(), prefix)
		require.ErrorIs(t, err, store.ErrSessionGone)
		assert.Equal(t, "root/", h1.second)
	})
}

func first[A, B any](a A, _ B) A { return a }

func TestR5FreshIsTheWordOfTheUser(t *testing.T) {
	in(t, func(w world) {
		w.service.Wipe()
		s, _ := w.open(store.Config{Fresh: true})
		_, l := w.lease(s)
		_, err := decide(w, l, "a")
		require.NoError(t, err)
	})
}

func TestR5AnOlderSnapshotIsNoticedAndTokensGoOnRising(t *testing.T) {
	in(t, func(w world) {
		s, _ := w.open(store.Config{})
		x, l := w.lease(s)
		_, err := decide(w, l, "a")
		require.NoError(t, err)
		older := w.service.Snapshot()
		var highest uint64
		for _, key := range []string{"b", "c", "d", "e", "f", "g", "h"} {
			highest, err = decide(w, l, key)
			require.NoError(t, err)
		}
		w.service.Restore(older)
		synctest.Wait()
		<-l.Lost()
		ctx, cancel := context.WithTimeout(context.Background(), ttl)
		defer cancel()
		again, err := x.Lease(ctx)
		require.NoError(t, err)
		token, err := decide(w, again, "z")
		var young *store.YoungError
		require.ErrorAs(t, err, &young)
		assert.Greater(t, token, highest)
	})
}

func TestR5AWitnessThatComesLateBeginsANewEra(t *testing.T) {
	in(t, func(w world) {
		witness, _ := w.open(store.Config{})
		xw, lw := w.lease(witness)
		var highest uint64
		var err error
		for _, key := range []string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"} {
			highest, err = decide(w, lw, key)
			require.NoError(t, err)
		}
		w.service.Stop() // nobody reaches it; it comes back empty, and another process is first
		time.Sleep(3 * ttl)
		w.service.Wipe()
		other, _ := w.open(store.Config{Fresh: true})
		xo, err := other.Session(ttl)
		require.NoError(t, err)
		w.service.Start()
		ctx, cancel := context.WithTimeout(context.Background(), 10*ttl)
		defer cancel()
		lo, err := xo.Lease(ctx)
		require.NoError(t, err)
		_, err = xw.Lease(ctx)
		require.NoError(t, err)
		time.Sleep(2 * ttl)
		lo2, err := xo.Lease(ctx)
		require.NoError(t, err)
		if lo2 != lo {
			require.ErrorIs(t, lo.Err(), store.ErrSessionGone)
		}
		token, err := decide(w, lo2, "z")
		require.NoError(t, err)
		assert.Greater(t, token, highest)
	})
}

func TestR5TheRootRecordDeletedCostsEveryLease(t *testing.T) {
	in(t, func(w world) {
		s, h := w.open(store.Config{})
		_, l := w.lease(s)
		synctest.Wait() // the watch has begun
		snap, err := s.List(context.Background(), "root/era")
		require.NoError(t, err)
		_, err = h.Apply(context.Background(), []store.Write{{Kind: store.Delete, Key: "root/era", If: snap.Records[0].ModRev}})
		require.NoError(t, err)
		synctest.Wait()
		require.True(t, isClosed(l.Lost()))
	})
}

func TestR5AForeignRootRecordIsRefused(t *testing.T) {
	in(t, func(w world) {
		s, h := w.open(store.Config{})
		_, err := h.Apply(context.Background(), []store.Write{{Kind: store.Create, Key: "root/era", Value: []byte("mine!")}})
		require.NoError(t, err)
		x, err := s.Session(ttl)
		require.NoError(t, err)
		_, err = x.Lease(context.Background())
		require.ErrorIs(t, err, store.ErrInvalid)
		assert.ErrorContains(t, err, "choose another prefix")
	})
}

// As after a restore that nothing else shows: the key is this process's, the record isn't.
func TestR5ARecordThatReappearsIsDeletedNotAdopted(t *testing.T) {
	in(t, func(w world) {
		s, h := w.open(store.Config{})
		_, l := w.lease(s)
		r, err := l.Create(context.Background(), prefix+"a", nil)
		require.NoError(t, err)
		for _, write := range []store.Write{
			{Kind: store.Delete, Key: r.Key, If: r.ModRev},
			{Kind: store.Create, Key: r.Key, Session: l.ID()},
		} {
			outcomes, err := h.Apply(context.Background(), []store.Write{write})
			require.NoError(t, err)
			require.NoError(t, outcomes[0].Err)
		}
		time.Sleep(2 * ttl) // ten renewals
		require.True(t, l.Valid())
		snap, err := s.List(context.Background(), prefix)
		require.NoError(t, err)
		assert.Empty(t, snap.Records)
	})
}
