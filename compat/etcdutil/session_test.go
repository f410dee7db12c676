package etcdutil_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	etcd "go.etcd.io/etcd/client/v3"

	"github.com/muster-go/muster/compat/etcdutil"
	"github.com/muster-go/muster/internal/etcdtest"
	"github.com/muster-go/muster/internal/servertest"
)

// heardLease is what a SessionObserver was called with, and when.
type heardLease struct {
	id  etcd.LeaseID
	err error
	at  time.Time
}

func session(t *testing.T, client *etcd.Client, ttl int64) (*etcdutil.Session, *recorder[heardLease]) {
	t.Helper()
	heard := newRecorder[heardLease]()
	s, err := etcdutil.NewSession(client, etcdutil.SessionConfig{TTL: ttl, Observer: func(id etcd.LeaseID, err error) {
		heard.observe(heardLease{id, err, time.Now()})
	}})
	require.NoError(t, err)
	t.Cleanup(s.Close)
	return s, heard
}

func TestASessionTellsItsLeaseAndNoLeaseAfterClose(t *testing.T) {
	t.Parallel()
	client := etcdtest.Start(t, etcdtest.Settings{}).Client()
	s, heard := session(t, client, 0)
	got := heard.next(t)
	require.NoError(t, got.err)
	assert.Equal(t, []etcd.LeaseID{got.id}, leases(t, client))
	ttl, err := client.TimeToLive(context.Background(), got.id)
	require.NoError(t, err)
	assert.EqualValues(t, 30, ttl.GrantedTTL, "the default")
	s.Close()
	last := heard.all()
	require.Len(t, last, 1)
	assert.Equal(t, etcdutil.NoLease, last[0].id)
	assert.NoError(t, last[0].err)
	assert.Empty(t, leases(t, client))
	s.Close()
	s.Reset()
	assert.Empty(t, heard.all(), "nothing comes after Close")
}

func TestATTLBelowEtcdsShortestBecomesThat(t *testing.T) {
	t.Parallel()
	client := etcdtest.Start(t, etcdtest.Settings{}).Client()
	_, heard := session(t, client, 1)
	ttl, err := client.TimeToLive(context.Background(), heard.next(t).id)
	require.NoError(t, err)
	assert.EqualValues(t, 2, ttl.GrantedTTL)
}

func TestResetGivesTheLeaseUpForANewOne(t *testing.T) {
	t.Parallel()
	client := etcdtest.Start(t, etcdtest.Settings{}).Client()
	s, heard := session(t, client, 30)
	first := heard.next(t).id
	_, err := client.Put(context.Background(), "mine", "", etcd.WithLease(first))
	require.NoError(t, err)
	s.Reset()
	assert.Empty(t, keys(t, client, ""), "what the lease owned is gone when Reset returns")
	assert.Equal(t, etcdutil.NoLease, heard.next(t).id)
	second := heard.next(t).id
	assert.NotEqual(t, first, second)
	assert.NotEqual(t, etcdutil.NoLease, second)
	assert.Equal(t, []etcd.LeaseID{second}, leases(t, client))
}

func TestASessionKeepsWhatOthersAttachToItsLease(t *testing.T) {
	t.Parallel()
	server := etcdtest.Start(t, etcdtest.Settings{})
	client := server.Client()
	_, heard := session(t, client, 6)
	lease := heard.next(t).id
	for _, key := range []string{"mine", "/elections/x/1", "root/era"} {
		_, err := client.Put(context.Background(), key, "", etcd.WithLease(lease))
		require.NoError(t, err)
	}
	// A store looks for records that nobody stands behind at every tenth renewal.
	require.Eventually(t, func() bool { return server.Requests()["LeaseKeepAlive"] >= 12 }, most, 50*time.Millisecond)
	assert.Len(t, keys(t, client, ""), 3)
	assert.Zero(t, server.Requests()["LeaseTimeToLive"], "it doesn't look at all")
	assert.Empty(t, heard.all(), "a lease that is renewed is no news")
}

func TestASessionTellsOfALossWithinTheTTLAndOfTheNextLease(t *testing.T) {
	t.Parallel()
	server := etcdtest.Start(t, etcdtest.Settings{})
	direct := server.Client()
	for name, disturb := range map[string]func(*servertest.Proxy){
		"a connection that breaks":    (*servertest.Proxy).Cut,
		"a connection that is frozen": (*servertest.Proxy).BlackHole,
		"answers that don't come":     (*servertest.Proxy).HoldReplies,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			proxy := servertest.NewProxy(t, server.Endpoint())
			s, heard := session(t, etcdtest.NewClient(t, proxy.Endpoint()), 4)
			first := heard.next(t).id
			cut := time.Now()
			disturb(proxy)
			lost := heard.next(t)
			assert.Equal(t, etcdutil.NoLease, lost.id)
			assert.NoError(t, lost.err, "an outage is no error")
			assert.Less(t, lost.at.Sub(cut), 4*time.Second+slack)
			proxy.Heal()
			next := heard.next(t)
			assert.NotEqual(t, etcdutil.NoLease, next.id)
			assert.NotEqual(t, first, next.id)
			require.Eventually(t, func() bool {
				ttl, err := direct.TimeToLive(context.Background(), first)
				return err == nil && ttl.TTL < 0
			}, most, 20*time.Millisecond, "nothing of the lost lease lives on")
			s.Close()
			assert.Equal(t, etcdutil.NoLease, heard.next(t).id)
			assert.Empty(t, heard.all())
		})
	}
}

func TestASessionThatCantReachEtcdClosesAllTheSame(t *testing.T) {
	t.Parallel()
	s, heard := session(t, etcdtest.NewClient(t, "127.0.0.1:1"), 2)
	s.Reset()
	began := time.Now()
	s.Close()
	assert.Less(t, time.Since(began), 5*time.Second)
	last := heard.all()
	require.Len(t, last, 1)
	assert.Equal(t, etcdutil.NoLease, last[0].id)
	assert.NoError(t, last[0].err)
}

func TestASessionIsRefusedInWords(t *testing.T) {
	t.Parallel()
	ignore := func(etcd.LeaseID, error) {}
	client := etcdtest.NewClient(t, "127.0.0.1:1")
	_, err := etcdutil.NewSession(client, etcdutil.SessionConfig{})
	assert.ErrorContains(t, err, "no Observer")
	_, err = etcdutil.NewSession(nil, etcdutil.SessionConfig{Observer: ignore})
	assert.ErrorContains(t, err, "no Client")
	_, err = etcdutil.NewSession(client, etcdutil.SessionConfig{Observer: ignore, TTL: -1})
	assert.ErrorContains(t, err, "TTL -1: must be a number of seconds from 1")
}

func TestASessionOnAClosedClientSaysSoOnce(t *testing.T) {
	t.Parallel()
	client := etcdtest.NewClient(t, "127.0.0.1:1")
	require.NoError(t, client.Close())
	s, heard := session(t, client, 30)
	refused := heard.next(t)
	assert.Equal(t, etcdutil.NoLease, refused.id)
	assert.ErrorContains(t, refused.err, "closed")
	s.Close()
	assert.Empty(t, heard.all())
}
