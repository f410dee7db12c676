package etcdutil_test

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/compat/etcdutil"
	"github.com/muster-go/muster/internal/etcdtest"
	"github.com/muster-go/muster/internal/servertest"
)

var keyFormat = regexp.MustCompile(`^/elections/scout/[1-9a-f][0-9a-f]*$`)

func TestWinnerAndFollowerHearTheLeadersKeyAndData(t *testing.T) {
	t.Parallel()
	client := etcdtest.Start(t, etcdtest.Settings{}).Client()
	heard1, heard2 := newEvents(), newEvents()
	one := elect(t, client, conf("one", heard1))
	assert.True(t, one.IsLeader())
	won := heard1.next(t)
	assert.Regexp(t, keyFormat, won.LeaderKey)
	assert.Equal(t, etcdutil.ElectionEvent{IsLeader: true, LeaderKey: won.LeaderKey, LeaderData: "one"}, won)
	kv, err := client.Get(context.Background(), won.LeaderKey)
	require.NoError(t, err)
	require.Len(t, kv.Kvs, 1)
	assert.Equal(t, "one", string(kv.Kvs[0].Value))
	assert.Equal(t, fmt.Sprintf("/elections/scout/%x", kv.Kvs[0].Lease), won.LeaderKey)

	two := elect(t, client, conf("two", heard2))
	assert.False(t, two.IsLeader())
	assert.Equal(t, etcdutil.ElectionEvent{LeaderKey: won.LeaderKey, LeaderData: "one"}, heard2.next(t))

	one.Close()
	assert.False(t, one.IsLeader())
	assert.Equal(t, []etcdutil.ElectionEvent{lowered, done}, heard1.all())
	led := heard2.next(t)
	assert.True(t, led.IsLeader)
	assert.Equal(t, "two", led.LeaderData)
	assert.True(t, two.IsLeader())

	one.Close()
	one.Stop()
	two.Stop()
	assert.Equal(t, []etcdutil.ElectionEvent{lowered, done}, heard2.all())
	assert.Empty(t, heard1.all(), "the final event comes once")
	assert.Empty(t, keys(t, client, ""), "an election leaves nothing behind")
	assert.Empty(t, leases(t, client))
}

func TestEveryFollowerHearsOfANewLeader(t *testing.T) {
	t.Parallel()
	client := etcdtest.Start(t, etcdtest.Settings{}).Client()
	one := elect(t, client, conf("one", nil))
	two := elect(t, client, conf("two", nil))
	heard := newEvents()
	elect(t, client, conf("three", heard))
	assert.Equal(t, "one", heard.next(t).LeaderData)
	one.Close()
	next := heard.next(t)
	assert.False(t, next.IsLeader)
	assert.Equal(t, "two", next.LeaderData)
	two.Close()
	next = heard.next(t)
	assert.True(t, next.IsLeader)
	assert.Equal(t, "three", next.LeaderData)
}

func TestConcedeGivesLeadershipUpAndQueuesLast(t *testing.T) {
	t.Parallel()
	client := etcdtest.Start(t, etcdtest.Settings{}).Client()
	heard1, heard2 := newEvents(), newEvents()
	one := elect(t, client, conf("one", heard1))
	two := elect(t, client, conf("two", heard2))
	first := heard1.next(t)
	heard2.next(t)

	led, err := two.Concede()
	assert.NoError(t, err)
	assert.False(t, led, "a follower has nothing to concede")
	assert.False(t, two.IsLeader())

	led, err = one.Concede()
	require.NoError(t, err, "it must not say that its context was cancelled")
	assert.True(t, led)
	assert.False(t, one.IsLeader())
	assert.Equal(t, lowered, heard1.next(t))
	won := heard2.next(t)
	assert.True(t, won.IsLeader)
	follows := heard1.next(t)
	assert.Equal(t, etcdutil.ElectionEvent{LeaderKey: won.LeaderKey, LeaderData: "two"}, follows)
	queue := keys(t, client, "/elections/scout/")
	require.Len(t, queue, 2, "it stands again")
	assert.Equal(t, won.LeaderKey, queue[0])
	assert.NotContains(t, queue, first.LeaderKey, "with a new key")

	led, err = two.Concede()
	require.NoError(t, err)
	assert.True(t, led)
	again := heard1.next(t)
	assert.True(t, again.IsLeader)
	assert.Equal(t, queue[1], again.LeaderKey)
	two.Close()

	led, err = one.Concede()
	require.NoError(t, err)
	assert.True(t, led)
	assert.Equal(t, lowered, heard1.next(t))
	assert.True(t, heard1.next(t).IsLeader, "alone, it leads again")
	one.Close()
	led, err = one.Concede()
	assert.NoError(t, err)
	assert.False(t, led, "a closed candidate has nothing to concede")
	assert.Empty(t, leases(t, client))
}

func TestAnElectionWhoseNameBeginsAnothersDoesNotMeetIt(t *testing.T) {
	t.Parallel()
	client := etcdtest.Start(t, etcdtest.Settings{}).Client()
	for _, name := range []string{"scout-eu", "scout/eu", "scout", "scou", "/root/", "root/era"} {
		c := conf("me", nil)
		c.Election = name
		assert.True(t, elect(t, client, c).IsLeader(), name)
	}
	for _, key := range keys(t, client, "") {
		assert.True(t, strings.HasPrefix(key, "/elections/"), "%s: nothing else is written", key)
	}
	assert.Len(t, keys(t, client, "/elections/root/"), 2)
}

func TestAContextThatEndsLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	server := etcdtest.Start(t, etcdtest.Settings{})
	client := server.Client()
	heard := newEvents()
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := etcdutil.NewElection(ended, client, conf("me", heard))
	require.ErrorIs(t, err, context.Canceled)
	assert.Contains(t, err.Error(), `election "scout"`)
	heard.all()
	assert.Empty(t, keys(t, client, ""))

	proxy := servertest.NewProxy(t, server.Endpoint())
	proxy.BlackHole()
	frozen := etcdtest.NewClient(t, proxy.Endpoint())
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	result := make(chan error, 1)
	go func() {
		_, err := etcdutil.NewElection(ctx, frozen, conf("me", heard))
		result <- err
	}()
	cancel()
	require.ErrorIs(t, <-result, context.Canceled)
	heard.all()
	proxy.Heal()
	winner := elect(t, client, conf("other", nil))
	assert.True(t, winner.IsLeader(), "nobody stands before it")
	assert.Empty(t, heard.all(), "nothing after NewElection has returned")
}

func TestAnInvalidElectionIsRefusedInWords(t *testing.T) {
	t.Parallel()
	client := etcdtest.NewClient(t, "127.0.0.1:1")
	for name, c := range map[string]struct {
		conf etcdutil.ElectionConfig
		want string
	}{
		"no election":  {etcdutil.ElectionConfig{Candidate: "me"}, "election name \"\" is empty: give it a name"},
		"only a slash": {etcdutil.ElectionConfig{Election: "/"}, "is empty"},
		"leaves":       {etcdutil.ElectionConfig{Election: "../x"}, `has the part ".."`},
		"empty part":   {etcdutil.ElectionConfig{Election: "a//b"}, "has an empty part"},
		"negative TTL": {etcdutil.ElectionConfig{Election: "x", TTL: -1}, "TTL -1: must be a number of seconds"},
		"endless TTL":  {etcdutil.ElectionConfig{Election: "x", TTL: 1 << 40}, "must be a number of seconds"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := etcdutil.NewElection(context.Background(), client, c.conf)
			require.ErrorContains(t, err, c.want)
			heard := newEvents()
			c.conf.EventObserver = heard.observe
			e := etcdutil.NewElectionAsync(client, c.conf)
			assert.ErrorContains(t, heard.next(t).Err, c.want)
			assert.False(t, e.IsLeader())
			led, err := e.Concede()
			assert.False(t, led)
			assert.NoError(t, err)
			e.Close()
			assert.Equal(t, []etcdutil.ElectionEvent{lowered, done}, heard.all())
		})
	}
	_, err := etcdutil.NewElection(context.Background(), nil, conf("me", nil))
	assert.ErrorContains(t, err, "no Client")
}

func TestAlwaysLeaderMockLeads(t *testing.T) {
	var elector etcdutil.LeaderElector = &etcdutil.AlwaysLeaderMock{}
	assert.True(t, elector.IsLeader())
	led, err := elector.Concede()
	assert.NoError(t, err)
	assert.True(t, led)
	elector.Close()
	assert.True(t, elector.IsLeader())
}
