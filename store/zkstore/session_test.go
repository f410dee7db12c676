package zkstore_test

import (
	"context"
	"io"
	"log/slog"
	"net"
	"strings"
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

// silent swallows what the client library says.
type silent struct{}

func (silent) Printf(string, ...any) {}

// raw gives a client of ZooKeeper's.
func raw(t *testing.T, addr string) *zk.Conn {
	t.Helper()
	conn, _, err := zk.Connect([]string{addr}, time.Minute, zk.WithLogger(silent{}), zk.WithLogInfo(false))
	require.NoError(t, err)
	t.Cleanup(conn.Close)
	return conn
}

// leads tells whether a server leads its ensemble.
func leads(t *testing.T, s *servertest.Server) bool {
	t.Helper()
	conn, err := net.Dial("tcp", s.Addr())
	require.NoError(t, err)
	defer conn.Close()
	_, err = io.WriteString(conn, "srvr")
	require.NoError(t, err)
	answer, err := io.ReadAll(conn)
	require.NoError(t, err)
	return strings.Contains(string(answer), "Mode: leader")
}

// ensemble starts three servers and gives a follower, and the other two.
func ensemble(t *testing.T) (follower *servertest.Server, others []*servertest.Server) {
	t.Helper()
	for _, s := range servertest.StartZooKeepers(t, 3) {
		if follower == nil && !leads(t, s) {
			follower = s
		} else {
			others = append(others, s)
		}
	}
	return follower, others
}

func TestR8AFollowerThatIsCutOffFromItsLeaderRenewsNothing(t *testing.T) {
	t.Parallel()
	follower, others := ensemble(t)
	d := open(t, "zk://"+follower.Addr()+"/muster")
	defer func() { require.NoError(t, d.Close()) }()
	id, err := d.Grant(t.Context(), 20*time.Second)
	require.NoError(t, err)
	require.NoError(t, d.Renew(t.Context(), id))
	reader := raw(t, follower.Addr())
	_, _, err = reader.Get("/muster/sessions/" + string(id))
	require.NoError(t, err)

	for _, s := range others {
		s.Freeze()
	}
	_, _, err = reader.Get("/muster/sessions/" + string(id))
	require.NoError(t, err, "it goes on answering reads")
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	require.Error(t, d.Renew(ctx, id), "but a renewal must be acknowledged by a majority")
	for _, s := range others {
		s.Thaw()
	}
	require.Eventually(t, func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		return d.Renew(ctx, id) == nil
	}, 15*time.Second, 10*time.Millisecond, "in time, it is renewed again")
}

func TestR8ALeaseOnAFollowerThatIsCutOffEndsByItsOwnDeadline(t *testing.T) {
	t.Parallel()
	follower, others := ensemble(t)
	openers := store.Openers{"zk": zkstore.Open}
	st, err := openers.Open(t.Context(), "zk://"+follower.Addr()+"/muster", store.Config{Fresh: true, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	defer func() { require.NoError(t, st.Close()) }()
	session, err := st.Session(2 * time.Second)
	require.NoError(t, err)
	defer session.Close()
	lease, err := session.Lease(t.Context())
	require.NoError(t, err)
	reader := raw(t, follower.Addr())
	_, _, err = reader.Children("/muster/sessions")
	require.NoError(t, err)
	for _, s := range others {
		s.Freeze()
	}
	frozen := bootclock.Clock.Now()
	_, _, err = reader.Children("/muster/sessions")
	require.NoError(t, err, "it goes on answering reads")
	<-lease.Lost()
	assert.Less(t, bootclock.Clock.Now().Sub(frozen), 5*time.Second, "the TTL, on a busy machine")
	for _, s := range others {
		s.Thaw()
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	_, err = session.Lease(ctx)
	require.NoError(t, err, "there is another one when the servers are back")
}

// What a follower heard of a session in the latest half tick dies with it.
func TestR8ARenewalCountsOnlyOnceAnEarlierOneIsKnownToTheLeader(t *testing.T) {
	t.Parallel()
	d := open(t, "zk://"+servertest.Shared(t, servertest.ZooKeeper).Addr()+root("r8"))
	defer func() { require.NoError(t, d.Close()) }()
	id, err := d.Grant(t.Context(), 8*time.Second)
	require.NoError(t, err)
	before := zkstore.Requests(d)
	require.NoError(t, d.Renew(t.Context(), id))
	require.Equal(t, 1, zkstore.Requests(d)-before, "shortly after the session began")

	<-bootclock.Clock.After(2500 * time.Millisecond) // longer than ZooKeeper's timeout is beyond the TTL
	before = zkstore.Requests(d)
	begun := bootclock.Clock.Now()
	require.NoError(t, d.Renew(t.Context(), id))
	assert.GreaterOrEqual(t, zkstore.Requests(d)-before, 2)
	assert.GreaterOrEqual(t, bootclock.Clock.Now().Sub(begun), 100*time.Millisecond, "a tick")
}

func TestASessionThatNobodyRenewsEndsThoughItsProcessLives(t *testing.T) {
	t.Parallel()
	server := servertest.Shared(t, servertest.ZooKeeper)
	at := root("idle")
	d := open(t, "zk://"+server.Addr()+at)
	defer func() { require.NoError(t, d.Close()) }()
	id, err := d.Grant(t.Context(), 2*time.Second)
	require.NoError(t, err)
	create(t, d, "a", id)
	watcher := raw(t, server.Addr())
	require.Eventually(t, func() bool {
		there, _, err := watcher.Exists(at + "/sessions/" + string(id))
		return err == nil && !there
	}, 30*time.Second, 10*time.Millisecond)
	require.Empty(t, keys(t, d, ""))
	require.ErrorIs(t, d.Renew(t.Context(), id), store.ErrSessionGone)
}

func TestRevokeWorksThoughTheSessionHasNoConnection(t *testing.T) {
	t.Parallel()
	server := servertest.Shared(t, servertest.ZooKeeper)
	at := root("revoked")
	d, other := through(t, server, at), open(t, "zk://"+server.Addr()+at)
	defer func() { require.NoError(t, d.Close()) }()
	defer func() { require.NoError(t, other.Close()) }()
	id, err := d.Grant(t.Context(), 30*time.Second)
	require.NoError(t, err)
	create(t, d, "revoked/a", id)
	create(t, d, "revoked/b", id)
	d.proxy.BlackHole()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	outcomes, err := d.Apply(ctx, []store.Write{{Kind: store.Create, Key: "revoked/late", Session: id}})
	require.NoError(t, err)
	require.Error(t, outcomes[0].Err)
	require.NotErrorIs(t, outcomes[0].Err, store.ErrRefused, "it is on its way")
	require.NoError(t, other.Revoke(t.Context(), id))
	assert.Empty(t, keys(t, other, "revoked/"))
	d.proxy.Heal()
	require.ErrorIs(t, d.Renew(t.Context(), id), store.ErrSessionGone)
	assert.Empty(t, keys(t, other, "revoked/"), "what arrived late wasn't done")
	outcomes, err = d.Apply(t.Context(), []store.Write{{Kind: store.Create, Key: "revoked/c", Session: id}})
	require.NoError(t, err)
	require.ErrorIs(t, outcomes[0].Err, store.ErrSessionGone)
	assert.Empty(t, keys(t, other, "revoked/"))
}

func TestAnotherDriversSession(t *testing.T) {
	t.Parallel()
	url := "zk://" + servertest.Shared(t, servertest.ZooKeeper).Addr() + root("foreign")
	d, other := open(t, url), open(t, url)
	defer func() { require.NoError(t, d.Close()) }()
	defer func() { require.NoError(t, other.Close()) }()
	id, err := d.Grant(t.Context(), 30*time.Second)
	require.NoError(t, err)
	rev := create(t, d, "a", id)
	durable := create(t, d, "durable", "")

	require.ErrorIs(t, other.Renew(t.Context(), id), store.ErrInvalid)
	outcomes, err := other.Apply(t.Context(), []store.Write{
		{Kind: store.Create, Key: "b", Session: id},
		{Kind: store.Update, Key: "durable", If: durable, Session: id},
		{Kind: store.Update, Key: "a", If: rev, Value: []byte("new"), Session: id},
	})
	require.NoError(t, err)
	require.ErrorIs(t, outcomes[0].Err, store.ErrInvalid, "it can't be given a record")
	require.ErrorIs(t, outcomes[1].Err, store.ErrInvalid)
	require.NoError(t, outcomes[2].Err, "but what it owns can be updated")
	owned, err := other.Owned(t.Context(), id)
	require.NoError(t, err)
	require.Len(t, owned, 1)
	assert.Equal(t, "new", string(owned[0].Value))
	assert.Equal(t, []string{"a", "durable"}, keys(t, other, ""))
}

// The session's own connection stands, and doesn't know yet.
func TestNothingIsWrittenInTheNameOfASessionThatWasRevokedElsewhere(t *testing.T) {
	t.Parallel()
	url := "zk://" + servertest.Shared(t, servertest.ZooKeeper).Addr() + root("elsewhere")
	d, other := open(t, url), open(t, url)
	defer func() { require.NoError(t, d.Close()) }()
	defer func() { require.NoError(t, other.Close()) }()
	id, err := d.Grant(t.Context(), 30*time.Second)
	require.NoError(t, err)
	require.NoError(t, other.Revoke(t.Context(), id))
	outcomes, err := d.Apply(t.Context(), []store.Write{{Kind: store.Create, Key: "a", Session: id}})
	require.NoError(t, err)
	require.ErrorIs(t, outcomes[0].Err, store.ErrSessionGone)
	require.Empty(t, keys(t, other, ""))
}
