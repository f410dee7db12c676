package ensemble_test

import (
	"context"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/internal/bootclock"
	"github.com/muster-go/muster/internal/servertest"
	"github.com/muster-go/muster/store"
	"github.com/muster-go/muster/store/storetest"
	"github.com/muster-go/muster/store/zkstore"
)

func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler)) // which Open logs to
	servertest.VerifyTestMain(m)
}

func open(t testing.TB, servers ...*servertest.Server) store.Driver {
	t.Helper()
	var hosts []string
	for _, s := range servers {
		hosts = append(hosts, s.Addr())
	}
	d, err := store.Openers{"zk": zkstore.Open}.OpenDriver(context.Background(), "zk://"+strings.Join(hosts, ",")+"/muster", bootclock.Clock)
	require.NoError(t, err)
	return d
}

// Followers lag behind their leader, and behind each other: what one client has written and heard of,
// another must see at once.
func TestConformanceWithEachClientOnAnotherServer(t *testing.T) {
	if testing.Short() {
		t.Skip("takes most of a minute: left out by -short")
	}
	servers := servertest.StartZooKeepers(t, 3)
	var next atomic.Int64
	storetest.Run(t, storetest.Harness{
		Open:  func(t testing.TB) store.Driver { return open(t, servers[next.Add(1)%3]) },
		Clock: bootclock.Clock,
		TTL:   time.Second,
	})
}

// leader gives the one that leads, and the others.
func leader(t *testing.T, servers []*servertest.Server) (leader *servertest.Server, others []*servertest.Server) {
	t.Helper()
	for _, s := range servers {
		conn, err := net.Dial("tcp", s.Addr())
		require.NoError(t, err)
		_, err = io.WriteString(conn, "srvr")
		require.NoError(t, err)
		answer, err := io.ReadAll(conn)
		require.NoError(t, err)
		require.NoError(t, conn.Close())
		if strings.Contains(string(answer), "Mode: leader") {
			leader = s
		} else {
			others = append(others, s)
		}
	}
	require.NotNil(t, leader)
	return leader, others
}

func TestTheDeathOfALeaderEndsNoSessionAndLosesNoWatch(t *testing.T) {
	servers := servertest.StartZooKeepers(t, 3)
	leading, others := leader(t, servers)
	d, other := open(t, servers...), open(t, others...)
	defer func() { require.NoError(t, d.Close()) }()
	defer func() { require.NoError(t, other.Close()) }()
	id, err := d.Grant(t.Context(), 20*time.Second)
	require.NoError(t, err)
	create := func(d store.Driver, key string, id store.SessionID) {
		t.Helper()
		require.Eventually(t, func() bool {
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			defer cancel()
			outcomes, err := d.Apply(ctx, []store.Write{{Kind: store.Create, Key: key, Session: id}})
			require.NoError(t, err)
			err = outcomes[0].Err
			require.NotErrorIs(t, err, store.ErrGone)
			if err != nil { // it may have been done all the same
				snapshot, listErr := d.List(ctx, key)
				return listErr == nil && len(snapshot.Records) == 1
			}
			return true
		}, 30*time.Second, 10*time.Millisecond)
	}
	create(d, "before", id)
	view := make(chan string, 100)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = other.Watch(ctx, "", func(e store.Event) {
			for _, r := range append(e.Records, e.Record) {
				view <- r.Key
			}
		})
	}()
	defer func() { cancel(); <-done }()
	sees := func(key string) {
		t.Helper()
		late := time.After(time.Minute)
		for {
			select {
			case got := <-view:
				if got == key {
					return
				}
			case <-late:
				require.Fail(t, "the watch didn't tell of "+key)
			}
		}
	}
	sees("before")

	leading.Stop()
	begun := bootclock.Clock.Now()
	require.Eventually(t, func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		err := d.Renew(ctx, id)
		require.NotErrorIs(t, err, store.ErrGone)
		return err == nil
	}, 19*time.Second, 10*time.Millisecond)
	t.Logf("a renewal counted %v after the leader's death", bootclock.Clock.Now().Sub(begun))
	create(d, "after", id)
	sees("after")
	require.NoError(t, d.Revoke(t.Context(), id))
	snapshot, err := other.List(t.Context(), "")
	require.NoError(t, err)
	assert.Empty(t, snapshot.Records)
}
