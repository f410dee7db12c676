package sqlstore_test

import (
	"context"
	"database/sql"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/store"
)

// lock takes SQLite's lock from outside: IMMEDIATE (nobody writes) or EXCLUSIVE (in a database that
// isn't in WAL mode: nobody reads either).
func lock(t testing.TB, path, kind string) (unlock func()) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	require.NoError(t, err)
	db.SetMaxOpenConns(1)
	require.Eventually(t, func() bool { _, err := db.Exec("BEGIN " + kind); return err == nil }, 10*time.Second, time.Millisecond)
	done := false
	unlock = func() {
		if !done {
			done = true
			require.NoError(t, db.Close())
		}
	}
	t.Cleanup(unlock)
	return unlock
}

func within(d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), d)
}

func TestAWriteLockHeldForLongerThanTheTTL(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	a, b := open(t, path), open(t, path)
	id := grant(t, a, time.Second)
	create(t, a, "k", id)
	w := watch(t, b, "k")
	unlock := lock(t, path, "IMMEDIATE")
	locked := time.Now()
	for time.Since(locked) < 1200*time.Millisecond {
		ctx, cancel := within(50 * time.Millisecond)
		err := a.Renew(ctx, id)
		cancel()
		require.ErrorIs(t, err, store.ErrUnreachable, "surely nothing was written")
		require.ErrorIs(t, err, store.ErrRefused)
		require.Equal(t, []string{"k"}, keys(t, b, ""), "reading goes on, and filters nothing")
	}
	unlock()
	e := w.wait(t, store.EventDelete)
	assert.Equal(t, "k", e.Record.Key)
	require.ErrorIs(t, a.Renew(context.Background(), id), store.ErrSessionGone)
}

func TestASessionThatIsRenewedThroughLocksLives(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	a, b := open(t, path), open(t, path)
	id := grant(t, a, time.Second)
	create(t, a, "k", id)
	for range 6 {
		unlock := lock(t, path, "IMMEDIATE")
		ctx, cancel := within(300 * time.Millisecond)
		require.ErrorIs(t, a.Renew(ctx, id), store.ErrUnreachable)
		cancel()
		unlock()
		require.NoError(t, a.Renew(context.Background(), id))
	}
	assert.Equal(t, []string{"k"}, keys(t, b, ""))
}

func TestCallsEndWithTheirContextWhileTheFileIsLocked(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	d := open(t, path)
	lock(t, path, "IMMEDIATE")
	ctx, cancel := context.WithCancel(context.Background())
	failed := make(chan error)
	go func() { _, err := d.Grant(ctx, time.Second); failed <- err }()
	go func() { _, err := d.Apply(ctx, []store.Write{{Kind: store.Create, Key: "k"}}); failed <- err }()
	cancel()
	for range 2 {
		err := <-failed
		require.ErrorIs(t, err, store.ErrUnreachable)
		require.ErrorIs(t, err, context.Canceled)
	}
	go func() { failed <- d.Revoke(context.Background(), "none") }()
	require.NoError(t, d.Close())
	require.ErrorIs(t, <-failed, store.ErrClosed)
}
