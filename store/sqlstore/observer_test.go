package sqlstore_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/juju/clock/testclock"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/store"
	"github.com/muster-go/muster/store/sqlstore"
)

// observed opens two drivers, each on a clock of its own. Only the second one's is moved, by tick,
// which returns after the driver has done all that is due.
func observed(t *testing.T) (a, b store.Driver, tick func(time.Duration)) {
	t.Helper()
	path := newPath(t)
	openOn := func(clk store.Clock) store.Driver {
		d, err := sqlstore.SQLite(context.Background(), sqlstore.Keeping(sqlstore.SQLiteConfig{Path: path, Clock: clk}, 512))
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, d.Close()) })
		return d
	}
	still, clk := testclock.NewClock(time.Unix(0, 0)), testclock.NewClock(time.Unix(1e9, 0))
	a, b = openOn(still), openOn(clk)
	return a, b, func(d time.Duration) {
		t.Helper()
		require.NoError(t, clk.WaitAdvance(d, 60*time.Second, 1))
		// The poll sets its timer again when it has done a tick.
		require.NoError(t, clk.WaitAdvance(0, 60*time.Second, 1))
	}
}

const pollTime = 50 * time.Millisecond

func TestAnObserverCountsTheTTLFromTheReadThatShowedTheRenewalNumber(t *testing.T) {
	t.Parallel()
	a, _, tick := observed(t)
	tick(time.Hour) // nobody looks for an hour
	id := grant(t, a, time.Minute)
	create(t, a, "k", id)
	tick(time.Hour) // this tick is the first to see it
	tick(60 * time.Second)
	require.Equal(t, []string{"k"}, keys(t, a, ""), "the observer's clock may be 1 % fast")
	require.NoError(t, a.Renew(context.Background(), id))
	tick(pollTime) // sees the renewal
	tick(60500 * time.Millisecond)
	require.Equal(t, []string{"k"}, keys(t, a, ""))
	tick(100 * time.Millisecond)
	require.Empty(t, keys(t, a, ""))
	require.ErrorIs(t, a.Renew(context.Background(), id), store.ErrSessionGone)
}

func TestAnObserverThatWasFrozenEndsNobodyWhoWasRenewed(t *testing.T) {
	t.Parallel()
	a, _, tick := observed(t)
	id := grant(t, a, time.Minute)
	create(t, a, "k", id)
	tick(pollTime)
	for range 5 {
		require.NoError(t, a.Renew(context.Background(), id))
		tick(24 * time.Hour)
		require.Equal(t, []string{"k"}, keys(t, a, ""))
	}
	require.NoError(t, a.Renew(context.Background(), id))
}

func TestASessionIsEndedOnlyAtTheRenewalNumberThatWasSeen(t *testing.T) {
	t.Parallel()
	a, b, _ := observed(t)
	id := grant(t, a, time.Minute)
	rev := create(t, a, "k", id)
	require.NoError(t, a.Renew(context.Background(), id))
	sqlstore.End(b, map[store.SessionID]int64{id: 0})
	require.Equal(t, []string{"k"}, keys(t, a, ""))
	snapshot, err := a.List(context.Background(), "")
	require.NoError(t, err)
	require.Equal(t, rev, snapshot.Rev)
	require.NoError(t, a.Renew(context.Background(), id))
	sqlstore.End(b, map[store.SessionID]int64{id: 2})
	require.Empty(t, keys(t, a, ""))
}

func TestAWatchThatFellBehindTheChangeLogReadsEverythingAnew(t *testing.T) {
	t.Parallel()
	a, b, tick := observed(t)
	create(t, a, "first", "")
	tick(pollTime)
	w := watch(t, b, "")
	const batches, size = 4, 256 // twice what the change log holds
	for batch := range batches {
		var writes []store.Write
		for i := range size {
			writes = append(writes, store.Write{Kind: store.Create, Key: fmt.Sprintf("k%d/%d", batch, i)})
		}
		_, err := a.Apply(context.Background(), writes)
		require.NoError(t, err)
	}
	tick(pollTime)
	e := w.until(t, "a reset, or a change", func(e store.Event) bool { return e.Kind == store.EventReset || e.Kind == store.EventPut })
	require.Equal(t, store.EventReset, e.Kind, "changes are missing before this one")
	assert.Len(t, e.Records, batches*size+1)
	assert.Equal(t, uint64(batches*size+1), e.Rev)
	create(t, a, "last", "")
	tick(pollTime)
	assert.Equal(t, "last", w.wait(t, store.EventPut).Record.Key)
}

// One that is taken before could be committed after a greater one, behind the back of a watch that has
// told that one.
func TestR6ARevisionIsTakenInTheTransactionThatWrites(t *testing.T) {
	t.Parallel()
	d := open(t, newPath(t))
	before := create(t, d, "before", "")
	require.ErrorIs(t, sqlstore.UndoneWrite(d), sqlstore.ErrUndone)
	snapshot, err := d.List(context.Background(), "")
	require.NoError(t, err)
	assert.Equal(t, before, snapshot.Rev, "it was undone with the rest")
	assert.Equal(t, before+1, create(t, d, "after", ""))
}

func TestOtherWritesDoNotKeepASessionAlive(t *testing.T) {
	t.Parallel()
	a, _, tick := observed(t)
	id := grant(t, a, time.Minute)
	create(t, a, "k", id)
	other := grant(t, a, time.Hour)
	tick(pollTime)
	for i := range 5 {
		require.Equal(t, []string{"k"}, keys(t, a, "k"))
		create(t, a, fmt.Sprint("other", i), other)
		require.NoError(t, a.Renew(context.Background(), other))
		tick(15 * time.Second)
	}
	require.Empty(t, keys(t, a, "k"))
	require.Len(t, keys(t, a, ""), 5)
}
