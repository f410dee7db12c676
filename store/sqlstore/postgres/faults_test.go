package postgres_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/internal/servertest"
	"github.com/muster-go/muster/store"
)

func TestAServerThatDiesBetweenCommitAndReplyLeavesTheOutcomeUnknown(t *testing.T) {
	t.Parallel()
	server := servertest.Start(t, servertest.PostgreSQL)
	p := newPlace(server)
	d, other := p.open(t), open(t, p.url(p.addr))
	defer func() { require.NoError(t, other.Close()) }()
	defer func() { require.NoError(t, d.Close()) }()
	create(t, d, "before", "")
	tx := locked(t, p)
	done := make(chan error, 1)
	go func() {
		_, err := d.Apply(context.Background(), []store.Write{{Kind: store.Create, Key: "k"}})
		done <- err
	}()
	waiting(t, p, 1)
	d.proxy.HoldReplies()
	require.NoError(t, tx.Rollback())
	require.Eventually(t, func() bool { return len(keys(t, other, "k")) == 1 }, time.Minute, 5*time.Millisecond)
	server.Stop()
	d.proxy.Cut()
	err := <-done
	require.Error(t, err)
	require.NotErrorIs(t, err, store.ErrRefused)
	require.NotErrorIs(t, err, store.ErrGone)
	_, err = d.Apply(context.Background(), []store.Write{{Kind: store.Create, Key: "k2"}})
	require.Error(t, err)
	d.proxy.Heal()
	server.Start()
	require.Eventually(t, func() bool {
		snapshot, err := d.List(context.Background(), "")
		return err == nil && len(snapshot.Records) >= 2
	}, time.Minute, 10*time.Millisecond)
	assert.Equal(t, []string{"before", "k"}, keys(t, d, "")[:2])
}

func TestWhatCouldNotBeSentIsRefused(t *testing.T) {
	t.Parallel()
	server := servertest.Start(t, servertest.PostgreSQL)
	p := newPlace(server)
	d := open(t, p.url(p.addr))
	defer func() { require.NoError(t, d.Close()) }()
	server.Stop()
	require.Eventually(t, func() bool { // connections that are dead are found out one by one
		_, err := d.Apply(context.Background(), []store.Write{{Kind: store.Create, Key: "k"}})
		require.Error(t, err)
		return errors.Is(err, store.ErrRefused)
	}, time.Minute, time.Millisecond)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := d.Apply(ctx, []store.Write{{Kind: store.Create, Key: "k"}})
	require.ErrorIs(t, err, store.ErrUnreachable)
	server.Start()
	require.Eventually(t, func() bool {
		_, err := d.List(context.Background(), "")
		return err == nil
	}, time.Minute, 10*time.Millisecond)
	assert.Empty(t, keys(t, d, ""))
}

// A frozen server, and a network that swallows everything, answer nothing, for ever.
func TestNothingThatHangsHoldsUpItsCallerOrClose(t *testing.T) {
	t.Parallel()
	server := servertest.Start(t, servertest.PostgreSQL)
	p := newPlace(server)
	for _, hang := range []struct {
		name     string
		on, heal func(*client)
	}{
		{"a frozen server", func(*client) { server.Freeze() }, func(*client) { server.Thaw() }},
		{"a black hole", func(c *client) { c.proxy.BlackHole() }, func(c *client) { c.proxy.Heal() }},
	} {
		t.Run(hang.name, func(t *testing.T) {
			d := p.open(t)
			id := grant(t, d, time.Hour)
			w := watch(t, d, "a/")
			hang.on(d)
			start := time.Now()
			for range 10 { // more than there are connections
				ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
				_, err := d.List(ctx, "a/")
				require.Error(t, err)
				require.NotErrorIs(t, err, store.ErrGone)
				err = d.Renew(ctx, id)
				require.Error(t, err)
				require.NotErrorIs(t, err, store.ErrGone)
				cancel()
			}
			w.wait(t, store.EventStale)
			w.cancel()
			<-w.done
			pending := make(chan error, 1)
			go func() { _, err := d.List(context.Background(), "a/"); pending <- err }()
			closed := make(chan struct{})
			go func() { defer close(closed); _ = d.Driver.Close() }()
			<-closed
			require.Error(t, <-pending)
			assert.Less(t, time.Since(start), 30*time.Second)
			hang.heal(d)
			d.proxy.Close()
		})
	}
}

func TestAStandbyIsRefusedAndThePrimaryOfManyHostsIsFound(t *testing.T) {
	t.Parallel()
	primary := servertest.Start(t, servertest.PostgreSQL)
	between := servertest.NewProxy(t, primary.Addr())
	standby := servertest.Start(t, servertest.PostgreSQLStandby(between.Endpoint()))
	p := newPlace(primary)
	refused(t, p.url(standby.Addr()), store.ErrUnreachable, "not a standby")
	d := open(t, p.url(standby.Addr()+","+primary.Addr()))
	defer func() { require.NoError(t, d.Close()) }()
	id := grant(t, d, time.Hour)
	create(t, d, "kept", id)
	w := watch(t, d, "")

	// The standby takes over, without the commits that it hadn't heard of yet.
	standbyDB, primaryDB := admin(t, standby.Addr()), admin(t, primary.Addr())
	require.Eventually(t, func() bool {
		var n int
		return standbyDB.QueryRow(`SELECT count(*) FROM `+p.schema+`.muster_records`).Scan(&n) == nil && n == 1
	}, time.Minute, 10*time.Millisecond)
	between.Cut()
	lost := create(t, d, "lost", id)
	require.NotZero(t, lost)
	w.until(t, "the record that will be lost", func(e store.Event) bool { return e.Record.Key == "lost" })
	_ = primaryDB.Close()
	primary.Stop()
	_, err := standbyDB.Exec(`SELECT pg_promote()`)
	require.NoError(t, err)
	reset := w.wait(t, store.EventReset)
	require.Len(t, reset.Records, 1)
	require.Equal(t, "kept", reset.Records[0].Key)
	require.Less(t, reset.Rev, lost)
	require.NoError(t, d.Renew(context.Background(), id))
	require.Equal(t, lost, create(t, d, "new", id), "the revision of what was lost is taken again")
}
