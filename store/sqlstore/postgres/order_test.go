package postgres_test

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/internal/servertest"
	"github.com/muster-go/muster/store"
)

// opened opens drivers of one store, which are closed with the test.
func opened(t testing.TB, p place, n int) []store.Driver {
	t.Helper()
	var all []store.Driver
	for range n {
		d := open(t, p.url(p.addr))
		t.Cleanup(func() { require.NoError(t, d.Close()) })
		all = append(all, d)
	}
	return all
}

func TestR6RevisionsOfTwoHundredWritersAreDenseAndInTheOrderOfCommits(t *testing.T) {
	t.Parallel()
	p := newPlace(servertest.Shared(t, servertest.PostgreSQL))
	drivers := opened(t, p, 8)
	w := watch(t, drivers[0], "w/")
	const writers, each = 200, 5
	var mu sync.Mutex
	var revs []uint64
	var all sync.WaitGroup
	for i := range writers {
		all.Go(func() {
			d := drivers[i%len(drivers)]
			last := uint64(0)
			for j := range each {
				outcomes, err := d.Apply(context.Background(), []store.Write{
					{Kind: store.Create, Key: fmt.Sprintf("w/%d-%d", i, j)},
					{Kind: store.Create, Key: "w/one"}, // which only one can do
				})
				if !assert.NoError(t, err) || !assert.NoError(t, outcomes[0].Err) {
					return
				}
				assert.Greater(t, outcomes[0].Rev, last, "who wrote before has the smaller one")
				last = outcomes[0].Rev
				snapshot, err := d.List(context.Background(), "w/one")
				if assert.NoError(t, err) {
					assert.GreaterOrEqual(t, snapshot.Rev, last)
				}
				mu.Lock()
				revs = append(revs, last)
				mu.Unlock()
			}
		})
	}
	all.Wait()
	require.Len(t, revs, writers*each)
	slices.Sort(revs)
	require.Equal(t, uint64(1), revs[0])
	require.Equal(t, uint64(writers*each), revs[len(revs)-1], "no gaps: what was refused took none")
	require.Len(t, slices.Compact(revs), writers*each)
	last := uint64(0)
	for range writers*each + 1 {
		e := w.wait(t, store.EventPut)
		require.GreaterOrEqual(t, e.Rev, last)
		last = e.Rev
	}
	require.Equal(t, uint64(writers*each), last)
}

// locked begins a transaction of an administrator's that has the lock under which everybody writes.
func locked(t testing.TB, p place) *sql.Tx {
	t.Helper()
	tx, err := admin(t, p.addr).Begin()
	require.NoError(t, err)
	_, err = tx.Exec(fmt.Sprintf(`SET LOCAL search_path = %s`, p.schema))
	require.NoError(t, err)
	var rev uint64
	require.NoError(t, tx.QueryRow(`SELECT rev FROM muster_meta FOR UPDATE`).Scan(&rev))
	return tx
}

// waiting waits until so many requests wait for a lock.
func waiting(t testing.TB, p place, n int) {
	t.Helper()
	db := admin(t, p.addr)
	require.Eventually(t, func() bool {
		var waits int
		err := db.QueryRow(`SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%' || $1 || '%'`, p.schema).Scan(&waits)
		return err == nil && waits >= n
	}, time.Minute, 5*time.Millisecond)
}

func TestR6WhoWaitedForTheLockDecidesByWhatIsThereAfterTheWait(t *testing.T) {
	t.Parallel()
	p := newPlace(servertest.Shared(t, servertest.PostgreSQL))
	drivers := opened(t, p, 3)
	d := drivers[0]
	id, doomed := grant(t, d, time.Hour), grant(t, d, time.Hour)
	rev := create(t, d, "updated", id)

	tx := locked(t, p)
	results := make(chan string, 8)
	try := func(name string, d store.Driver, w store.Write) {
		go func() {
			outcomes, err := d.Apply(context.Background(), []store.Write{w})
			if err == nil {
				err = outcomes[0].Err
			}
			results <- fmt.Sprint(name, ": ", err)
		}()
	}
	try("create", drivers[0], store.Write{Kind: store.Create, Key: "contended"})
	try("create", drivers[1], store.Write{Kind: store.Create, Key: "contended"})
	try("update", drivers[0], store.Write{Kind: store.Update, Key: "updated", If: rev})
	try("update", drivers[1], store.Write{Kind: store.Update, Key: "updated", If: rev})
	try("owner", drivers[2], store.Write{Kind: store.Create, Key: "orphan", Session: doomed})
	waiting(t, p, 5)
	require.NoError(t, d.Renew(context.Background(), id), "a renewal waits for no writer")
	_, err := tx.Exec(`DELETE FROM muster_sessions WHERE id = $1`, string(doomed)) // as who ends it does, with the lock
	require.NoError(t, err)
	require.NoError(t, tx.Commit())
	var got []string
	for range 5 {
		got = append(got, <-results)
	}
	slices.Sort(got)
	assert.Equal(t, []string{
		"create: <nil>", "create: " + store.ErrConflict.Error(), "owner: " + store.ErrSessionGone.Error(),
		"update: <nil>", "update: " + store.ErrConflict.Error(),
	}, got)
	snapshot, err := d.List(context.Background(), "")
	require.NoError(t, err)
	assert.Equal(t, rev+2, snapshot.Rev)
	assert.Len(t, snapshot.Records, 2)
}

// A record that was written while the end of its session waited for the lock goes with it.
func TestTheEndOfASessionTakesWhatWasWrittenWhileItWaited(t *testing.T) {
	t.Parallel()
	p := newPlace(servertest.Shared(t, servertest.PostgreSQL))
	d := opened(t, p, 1)[0]
	id := grant(t, d, time.Hour)
	create(t, d, "before", id)
	tx := locked(t, p)
	revoked := make(chan error, 1)
	go func() { revoked <- d.Revoke(context.Background(), id) }()
	waiting(t, p, 1)
	for _, statement := range []string{
		`UPDATE muster_meta SET rev = rev + 1, mark = 7`,
		`INSERT INTO muster_records SELECT 'late', '', rev, rev, '` + string(id) + `' FROM muster_meta`,
		`INSERT INTO muster_changes SELECT rev, 'late', 7, 0, rev, rev, '` + string(id) + `' FROM muster_meta`,
	} {
		_, err := tx.Exec(statement)
		require.NoError(t, err)
	}
	require.NoError(t, tx.Commit())
	require.NoError(t, <-revoked)
	assert.Empty(t, keys(t, d, ""))
	require.ErrorIs(t, d.Renew(context.Background(), id), store.ErrSessionGone)
}
