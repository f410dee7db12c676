package etcdutil_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	etcd "go.etcd.io/etcd/client/v3"

	"github.com/muster-go/muster/compat/etcdutil"
	"github.com/muster-go/muster/internal/etcdtest"
	"github.com/muster-go/muster/internal/servertest"
)

func TestALostConnectionAsLeaderIsToldWithinTheTTLAndBeforeAnotherLeads(t *testing.T) {
	t.Parallel()
	server := etcdtest.Start(t, etcdtest.Settings{})
	for name, disturb := range map[string]func(*servertest.Proxy){
		"broken":  (*servertest.Proxy).Cut,
		"frozen":  (*servertest.Proxy).BlackHole,
		"no-hear": (*servertest.Proxy).HoldReplies,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			direct := server.Client()
			proxy := servertest.NewProxy(t, server.Endpoint())
			heard1, heard2 := newEvents(), newEvents()
			var told atomic.Int64
			c1, c2 := conf("one", nil), conf("two", nil)
			c1.Election, c2.Election, c1.TTL = name, name, 5
			c1.EventObserver = func(e etcdutil.ElectionEvent) {
				if e == lowered {
					told.CompareAndSwap(0, time.Now().UnixNano())
				}
				heard1.observe(e)
			}
			one := elect(t, etcdtest.NewClient(t, proxy.Endpoint()), c1)
			assert.True(t, heard1.next(t).IsLeader)
			var overlapped, untold atomic.Bool
			c2.EventObserver = func(e etcdutil.ElectionEvent) {
				if e.IsLeader {
					overlapped.Store(one.IsLeader())
					untold.Store(told.Load() == 0)
				}
				heard2.observe(e)
			}
			elect(t, direct, c2)
			assert.Equal(t, "one", heard2.next(t).LeaderData)

			cut := time.Now()
			disturb(proxy)
			assert.Equal(t, lowered, heard1.next(t))
			assert.False(t, one.IsLeader())
			assert.Less(t, time.Unix(0, told.Load()).Sub(cut), 5*time.Second+slack)
			won := heard2.next(t)
			assert.True(t, won.IsLeader)
			assert.False(t, overlapped.Load(), "two lead at once")
			assert.False(t, untold.Load(), "another leads before the loss was told")

			proxy.Heal()
			assert.Equal(t, etcdutil.ElectionEvent{LeaderKey: won.LeaderKey, LeaderData: "two"}, heard1.next(t))
			require.Eventually(t, func() bool { return len(keys(t, direct, "/elections/"+name+"/")) == 2 }, most, 20*time.Millisecond)
			assert.Empty(t, heard1.all())
			assert.Empty(t, heard2.all())
		})
	}
}

func TestAnOutageShorterThanTheTTLIsNoEvent(t *testing.T) {
	t.Parallel()
	server := etcdtest.Start(t, etcdtest.Settings{})
	proxy := servertest.NewProxy(t, server.Endpoint())
	heard1, heard2 := newEvents(), newEvents()
	c1, c2 := conf("one", heard1), conf("two", heard2)
	c1.TTL, c2.TTL = 120, 120
	one := elect(t, etcdtest.NewClient(t, proxy.Endpoint()), c1)
	two := elect(t, etcdtest.NewClient(t, proxy.Endpoint()), c2)
	key := heard1.next(t).LeaderKey
	heard2.next(t)
	before := leases(t, server.Client())
	for _, disturb := range []func(*servertest.Proxy){(*servertest.Proxy).Cut, (*servertest.Proxy).BlackHole, (*servertest.Proxy).HoldReplies} {
		disturb(proxy)
		assert.Never(t, func() bool { return !one.IsLeader() }, 300*time.Millisecond, 10*time.Millisecond)
		proxy.Heal()
	}
	asked := server.Requests()["Watch"]
	server.Stop()
	server.Start()
	// Each has a watch of the candidates and one of etcd's revision, and all begin anew.
	require.Eventually(t, func() bool { return server.Requests()["Watch"] >= asked+4 }, most, 20*time.Millisecond)
	assert.Equal(t, before, leases(t, server.Client()))
	assert.Equal(t, key, keys(t, server.Client(), "/elections/")[0])
	assert.True(t, one.IsLeader())
	assert.False(t, two.IsLeader())
	assert.Empty(t, heard1.all())
	assert.Empty(t, heard2.all())
}

func TestAfterAnOutageLongerThanTheTTLExactlyOneLeads(t *testing.T) {
	t.Parallel()
	server := etcdtest.Start(t, etcdtest.Settings{})
	var all []*etcdutil.Election
	for _, name := range []string{"one", "two", "three"} {
		c := conf(name, nil)
		c.TTL = 4
		all = append(all, elect(t, server.Client(), c))
	}
	server.Stop()
	nobody := func() bool { return !all[0].IsLeader() && !all[1].IsLeader() && !all[2].IsLeader() }
	require.Eventually(t, nobody, most, 20*time.Millisecond)
	assert.Never(t, func() bool { return !nobody() }, time.Second, 50*time.Millisecond)
	server.Start()
	leaders := func() (n int) {
		for _, e := range all {
			if e.IsLeader() {
				n++
			}
		}
		return n
	}
	require.Eventually(t, func() bool { return leaders() == 1 }, most, 20*time.Millisecond)
	client := server.Client()
	require.Eventually(t, func() bool { return len(keys(t, client, "/elections/")) == 3 }, most, 20*time.Millisecond, "each stands by one key")
	require.Eventually(t, func() bool { return len(leases(t, client)) == 3 }, most, 20*time.Millisecond, "and by one lease")
	assert.Equal(t, 1, leaders())
}

func TestCloseIsBoundedWhateverTheConnectionDoes(t *testing.T) {
	t.Parallel()
	server := etcdtest.Start(t, etcdtest.Settings{})
	for name, disturb := range map[string]func(*servertest.Proxy){
		"broken":  (*servertest.Proxy).Cut,
		"frozen":  (*servertest.Proxy).BlackHole,
		"no-hear": (*servertest.Proxy).HoldReplies,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			proxy := servertest.NewProxy(t, server.Endpoint())
			heard := newEvents()
			c := conf("me", heard)
			c.Election, c.TTL = name, 20
			e := elect(t, etcdtest.NewClient(t, proxy.Endpoint()), c)
			assert.True(t, heard.next(t).IsLeader)
			disturb(proxy)
			began := time.Now()
			led, err := e.Concede()
			assert.True(t, led)
			require.Error(t, err)
			assert.Contains(t, err.Error(), "others may have to wait for the TTL, 20s")
			e.Close()
			assert.Less(t, time.Since(began), 8*time.Second+slack)
			assert.Equal(t, []etcdutil.ElectionEvent{lowered, lowered, done}, heard.all())
		})
	}
}

func TestAKeyThatIsDeletedEndsLeadershipAndTheCandidateStandsAgain(t *testing.T) {
	t.Parallel()
	client := etcdtest.Start(t, etcdtest.Settings{}).Client()
	heard := newEvents()
	elect(t, client, conf("me", heard))
	for name, remove := range map[string]func(key string) error{
		"the key": func(key string) error {
			_, err := client.Delete(context.Background(), key)
			return err
		},
		"its lease": func(string) error {
			_, err := client.Revoke(context.Background(), leases(t, client)[0])
			return err
		},
	} {
		first := heard.next(t)
		require.True(t, first.IsLeader, name)
		require.NoError(t, remove(first.LeaderKey))
		assert.Equal(t, lowered, heard.next(t), name)
		require.Eventually(t, func() bool { return len(leases(t, client)) == 1 }, most, 20*time.Millisecond)
	}
	assert.True(t, heard.next(t).IsLeader)
}

func TestAServerThatIsNotThereYetIsWaitedFor(t *testing.T) {
	t.Parallel()
	server := etcdtest.Start(t, etcdtest.Settings{})
	server.Stop()
	client, err := etcdutil.NewClient(&etcd.Config{Endpoints: []string{server.Endpoint()}, Logger: quiet})
	require.NoError(t, err)
	defer func() { _ = client.Close() }()
	heard := newEvents()
	e := etcdutil.NewElectionAsync(client, conf("me", heard))
	defer e.Close()
	assert.Never(t, e.IsLeader, 2*time.Second, 50*time.Millisecond)
	assert.Empty(t, heard.all(), "nothing was answered, and nothing is wrong with the candidate")
	server.Start()
	assert.True(t, heard.next(t).IsLeader)
}
