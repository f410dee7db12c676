package postgres_test

import (
	"context"
	"net/url"
	"testing"
	"time"

	"github.com/juju/clock/testclock"
	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/internal/servertest"
	"github.com/muster-go/muster/store"
	"github.com/muster-go/muster/store/sqlstore/postgres"
)

// observed opens two drivers, each on a clock of its own. Only the second one's is moved, by tick,
// which returns after the driver has done all that is due.
func observed(t *testing.T, p place) (a store.Driver, tick func(time.Duration)) {
	t.Helper()
	openOn := func(clk store.Clock) store.Driver {
		u, err := url.Parse(p.url(p.addr))
		require.NoError(t, err)
		d, err := postgres.Open(context.Background(), u, clk)
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, d.Close()) })
		return d
	}
	still, clk := testclock.NewClock(time.Unix(0, 0)), testclock.NewClock(time.Unix(1e9, 0))
	a = openOn(still)
	openOn(clk)
	return a, func(d time.Duration) {
		t.Helper()
		advance := func(d time.Duration) {
			t.Helper()
			late := time.Now().Add(time.Minute)
			// Two wait where the driver can't listen for now, too.
			for clk.WaitAdvance(d, 10*time.Millisecond, 1) != nil && clk.WaitAdvance(d, 10*time.Millisecond, 2) != nil {
				require.True(t, time.Now().Before(late), "the driver doesn't look again")
			}
		}
		advance(d)
		advance(0) // the poll sets its timer again when it has done a look
	}
}

// seen is longer than the time between two reads of the renewal numbers.
const seen = time.Second

func TestR7AnObserverCountsTheTTLFromTheReadThatShowedTheRenewalNumber(t *testing.T) {
	t.Parallel()
	a, tick := observed(t, newPlace(servertest.Shared(t, servertest.PostgreSQL)))
	tick(time.Hour) // nobody looks for an hour
	id := grant(t, a, time.Minute)
	create(t, a, "k", id)
	tick(time.Hour) // this look is the first to see it
	tick(60 * time.Second)
	require.Equal(t, []string{"k"}, keys(t, a, ""), "the observer's clock may be 1 % fast")
	require.NoError(t, a.Renew(context.Background(), id))
	tick(seen) // sees the renewal
	tick(60500 * time.Millisecond)
	require.Equal(t, []string{"k"}, keys(t, a, ""))
	tick(100 * time.Millisecond)
	require.Eventually(t, func() bool { return len(keys(t, a, "")) == 0 }, time.Minute, 5*time.Millisecond)
	require.ErrorIs(t, a.Renew(context.Background(), id), store.ErrSessionGone)
}

func TestR7AnObserverThatWasFrozenEndsNobodyWhoWasRenewed(t *testing.T) {
	t.Parallel()
	a, tick := observed(t, newPlace(servertest.Shared(t, servertest.PostgreSQL)))
	id := grant(t, a, time.Minute)
	create(t, a, "k", id)
	tick(seen)
	for range 5 {
		require.NoError(t, a.Renew(context.Background(), id))
		tick(24 * time.Hour)
		require.Equal(t, []string{"k"}, keys(t, a, ""))
	}
	require.NoError(t, a.Renew(context.Background(), id))
}

// A server that takes another's place may not know a renewal that was acknowledged: what was seen of
// the other doesn't count.
func TestR7WhatWasSeenOfAnotherServerEndsNobody(t *testing.T) {
	t.Parallel()
	server := servertest.Start(t, servertest.PostgreSQL)
	p := newPlace(server)
	a, tick := observed(t, p)
	id := grant(t, a, time.Minute)
	create(t, a, "k", id)
	tick(seen)
	server.Stop()
	server.Start()
	listed := func() bool { _, err := a.List(context.Background(), ""); return err == nil }
	require.Eventually(t, listed, time.Minute, 5*time.Millisecond)
	for range 5 { // each connection that is dead fails a look
		tick(59 * time.Second / 5)
	}
	tick(2 * time.Second) // more than TTL × 1.01 after the first look, less after the server's start
	require.Equal(t, []string{"k"}, keys(t, a, ""))
	tick(time.Minute)
	require.Eventually(t, func() bool { tick(seen); return len(keys(t, a, "")) == 0 }, time.Minute, 5*time.Millisecond)
}
