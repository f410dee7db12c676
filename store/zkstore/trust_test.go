package zkstore_test

import (
	"bytes"
	"context"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/internal/bootclock"
	"github.com/muster-go/muster/internal/servertest"
	"github.com/muster-go/muster/store"
	"github.com/muster-go/muster/store/zkstore"
)

// Whoever connects again agrees on the timeout anew.
func TestASessionWhoseTimeoutAnotherServerShortensIsGone(t *testing.T) {
	t.Parallel()
	server := servertest.Start(t, servertest.ZooKeeper)
	d := open(t, "zk://"+server.Addr()+"/shortened")
	defer func() { require.NoError(t, d.Close()) }()
	id, err := d.Grant(t.Context(), 40*time.Second)
	require.NoError(t, err)
	rev := create(t, d, "a", id)

	server.Stop()
	config := filepath.Join(server.Dir, "zoo.cfg")
	text, err := os.ReadFile(config)
	require.NoError(t, err)
	text = bytes.ReplaceAll(text, []byte("maxSessionTimeout=60000"), []byte("maxSessionTimeout=30000"))
	require.NoError(t, os.WriteFile(config, text, 0o600))
	server.Start()

	require.Eventually(t, func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		err = d.Renew(ctx, id)
		return err == nil || bytes.Contains([]byte(err.Error()), []byte("maxSessionTimeout"))
	}, 25*time.Second, time.Millisecond)
	require.ErrorIs(t, err, store.ErrSessionGone, "ZooKeeper will end it sooner than was counted on")
	snapshot, err := d.List(t.Context(), "")
	require.NoError(t, err)
	require.Len(t, snapshot.Records, 1, "but not at once, before its process has heard")
	assert.Equal(t, rev, snapshot.Records[0].ModRev)
	require.NoError(t, d.Revoke(t.Context(), id))
	assert.Empty(t, keys(t, d, ""))
}

// Two renewals that arrive at the same moment, one of them late, tell a follower no more than one.
func TestR8ARenewalThatArrivedLateIsNotKnownToTheLeaderEarlier(t *testing.T) {
	t.Parallel()
	const tick = 100 * time.Millisecond
	d := through(t, servertest.Shared(t, servertest.ZooKeeper), root("late"))
	defer func() { require.NoError(t, d.Close()) }()
	id, err := d.Grant(t.Context(), 8*time.Second)
	require.NoError(t, err)
	<-bootclock.Clock.After(2500 * time.Millisecond) // longer than ZooKeeper's timeout is beyond the TTL
	d.proxy.BlackHole()
	renewed := make(chan error, 2)
	for range 2 {
		go func() { renewed <- d.Renew(t.Context(), id) }()
		<-bootclock.Clock.After(2 * tick)
	}
	healed := bootclock.Clock.Now()
	d.proxy.Heal()
	for range 2 {
		require.NoError(t, <-renewed)
		assert.GreaterOrEqual(t, bootclock.Clock.Now().Sub(healed), tick)
	}
}

// The link's session is nobody's: a follower that was cut off for longer than it lasts answers so.
func TestTheEndOfTheLinksOwnSessionIsNotThatOfAStoresSession(t *testing.T) {
	t.Parallel()
	err := zkstore.LinkError(zk.ErrSessionExpired)
	require.NotErrorIs(t, err, store.ErrGone)
	require.ErrorIs(t, err, store.ErrRefused)
}

func TestExhibitorsThatDontAnswerLeaveTimeForOneThatDoes(t *testing.T) {
	t.Parallel()
	server := servertest.Shared(t, servertest.ZooKeeper)
	e := newExhibitor(t, listing(t, server.Port(0), "127.0.0.1"))
	hosts := e.host()
	for range 7 {
		silent, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		defer silent.Close()
		hosts = silent.Addr().String() + "," + hosts
	}
	for range 2 { // each begins with a random one
		d, err := openExhibitor(t, (&url.URL{Scheme: "exhibitor", Host: hosts, Path: root("silent")}).String())
		require.NoError(t, err)
		require.NoError(t, d.Close())
	}
}
