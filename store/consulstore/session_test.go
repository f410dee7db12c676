package consulstore_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/internal/servertest"
	"github.com/muster-go/muster/store"
)

func TestASessionIsAsTheDocumentationSays(t *testing.T) {
	t.Parallel()
	s := shared(t, "sessions/")
	d := open(t, "consul://"+s.Addr()+"/sessions")
	defer func() { require.NoError(t, d.Close()) }()
	id, err := d.Grant(t.Context(), 90*time.Second+time.Millisecond)
	require.NoError(t, err)
	entry, _, err := admin(t, s).Session().Info(string(id), nil)
	require.NoError(t, err)
	assert.Equal(t, "delete", entry.Behavior)
	assert.Equal(t, time.Millisecond, entry.LockDelay)
	assert.Empty(t, entry.NodeChecks, "the node's health doesn't end it")
	assert.Empty(t, entry.ServiceChecks)
	assert.Equal(t, "1m30.001s", entry.TTL)
	assert.Equal(t, "n1", entry.Node)
	require.NoError(t, d.Revoke(t.Context(), id))
}

func TestASessionOutlivesThatItsAgentIsTakenForDead(t *testing.T) {
	t.Parallel()
	s := shared(t, "ill/")
	c := admin(t, s)
	_, err := c.Catalog().Register(&api.CatalogRegistration{Node: "ill", Address: "127.0.0.9", Check: &api.AgentCheck{
		Node: "ill", CheckID: "serfHealth", Name: "Serf Health Status", Status: "passing",
	}}, nil)
	require.NoError(t, err)
	d := open(t, "consul://"+s.Addr()+"/ill?node=ill")
	defer func() { require.NoError(t, d.Close()) }()
	id, err := d.Grant(t.Context(), time.Minute)
	require.NoError(t, err)
	usual, _, err := c.Session().Create(&api.SessionEntry{Node: "ill", TTL: "1m"}, nil)
	require.NoError(t, err)
	_, err = c.Catalog().Register(&api.CatalogRegistration{Node: "ill", Address: "127.0.0.9", SkipNodeUpdate: true, Check: &api.AgentCheck{
		Node: "ill", CheckID: "serfHealth", Name: "Serf Health Status", Status: "critical",
	}}, nil)
	require.NoError(t, err)
	gone, _, err := c.Session().Info(usual, &api.QueryOptions{RequireConsistent: true})
	require.NoError(t, err)
	require.Nil(t, gone, "a session with the usual checks has ended")
	require.NoError(t, d.Renew(t.Context(), id))
}

func TestAKeyOfASessionThatHasJustEndedCanBeOwnedAgainAtOnce(t *testing.T) {
	t.Parallel()
	s := shared(t, "delay/")
	d := open(t, "consul://"+s.Addr()+"/delay")
	defer func() { require.NoError(t, d.Close()) }()
	for range 30 {
		id, err := d.Grant(t.Context(), time.Minute)
		require.NoError(t, err)
		apply(t, d, store.Write{Kind: store.Create, Key: "k", Session: id})
		require.NoError(t, d.Revoke(t.Context(), id))
	}
	// Another program's session may have a longer lock-delay, which is waited for by nobody.
	c := admin(t, s)
	other, _, err := c.Session().CreateNoChecks(&api.SessionEntry{TTL: "1m", Behavior: "delete", LockDelay: 10 * time.Second}, nil)
	require.NoError(t, err)
	held, _, err := c.KV().Acquire(&api.KVPair{Key: "delay/theirs", Session: other}, nil)
	require.NoError(t, err)
	require.True(t, held)
	_, err = c.Session().Destroy(other, nil)
	require.NoError(t, err)
	id, err := d.Grant(t.Context(), time.Minute)
	require.NoError(t, err)
	outcomes, err := d.Apply(t.Context(), []store.Write{
		{Kind: store.Create, Key: "theirs", Session: id}, {Kind: store.Create, Key: "beside", Session: id},
	})
	require.NoError(t, err)
	require.ErrorIs(t, outcomes[0].Err, store.ErrRefused)
	require.NotErrorIs(t, outcomes[0].Err, store.ErrConflict)
	require.ErrorContains(t, outcomes[0].Err, "lock delay")
	require.NoError(t, outcomes[1].Err)
	require.NoError(t, d.Revoke(t.Context(), id))
}

func TestWhatCantBeASessionIsGone(t *testing.T) {
	t.Parallel()
	s := shared(t, "none/")
	d := open(t, "consul://"+s.Addr()+"/none")
	defer func() { require.NoError(t, d.Close()) }()
	for _, id := range []store.SessionID{"x", "../kv/none", "00000000-0000-0000-0000-000000000000"} {
		require.ErrorIs(t, d.Renew(t.Context(), id), store.ErrSessionGone, id)
		require.NoError(t, d.Revoke(t.Context(), id))
		owned, err := d.Owned(t.Context(), id)
		require.NoError(t, err)
		require.Empty(t, owned)
		outcomes, err := d.Apply(t.Context(), []store.Write{{Kind: store.Create, Key: "k", Session: id}})
		require.NoError(t, err)
		require.ErrorIs(t, outcomes[0].Err, store.ErrSessionGone)
	}
}

func TestARenewalSurvivesThatItsConnectionDied(t *testing.T) {
	t.Parallel()
	s := shared(t, "stale/")
	proxy := servertest.NewProxy(t, s.Addr())
	d := open(t, "consul://"+proxy.Endpoint()+"/stale")
	defer func() { require.NoError(t, d.Close()) }()
	id, err := d.Grant(t.Context(), time.Minute)
	require.NoError(t, err)
	for range 5 {
		proxy.Cut()
		proxy.Heal()
		require.NoError(t, d.Renew(t.Context(), id))
	}
}

func TestThatASessionIsGoneIsBelievedOnlyWhenAConsistentReadKnowsOfIt(t *testing.T) {
	t.Parallel()
	s := servertest.Shared(t, servertest.Consul)
	f := newFront(t, s.Addr())
	d := open(t, "consul://"+f.addr()+"/gone")
	defer func() { require.NoError(t, d.Close()) }()
	id, err := d.Grant(t.Context(), time.Minute)
	require.NoError(t, err)
	lies := 0
	f.seeing(func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path != "/v1/session/renew/"+string(id) || lies == 2 {
			return false
		}
		lies++
		http.NotFound(w, r) // as a leader does that hasn't read yet what was committed
		return true
	})
	require.NoError(t, d.Renew(t.Context(), id))
	f.seeing(nil)
	assert.Equal(t, 2, lies)
	require.NoError(t, d.Revoke(t.Context(), id))
	require.ErrorIs(t, d.Renew(t.Context(), id), store.ErrSessionGone)
}

func TestARevocationIsBelievedOnlyWhenAConsistentReadKnowsOfIt(t *testing.T) {
	t.Parallel()
	s := shared(t, "revoke/")
	f := newFront(t, s.Addr())
	d := open(t, "consul://"+f.addr()+"/revoke")
	defer func() { require.NoError(t, d.Close()) }()
	id, err := d.Grant(t.Context(), time.Minute)
	require.NoError(t, err)
	lies := 0
	f.seeing(func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path != "/v1/session/destroy/"+string(id) || lies == 2 {
			return false
		}
		lies++
		_, _ = w.Write([]byte("true")) // as a leader does that doesn't know of it yet
		return true
	})
	require.NoError(t, d.Revoke(t.Context(), id))
	f.seeing(nil)
	assert.Equal(t, 2, lies)
	require.ErrorIs(t, d.Renew(t.Context(), id), store.ErrSessionGone)
}

// What a frozen server or a black hole may cost: nobody waits for it longer than it wants to.
func TestNothingWaitsForAFrozenServer(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, servertest.Consul)
	d := open(t, "consul://"+s.Addr()+"/frozen")
	id, err := d.Grant(t.Context(), time.Hour)
	require.NoError(t, err)
	apply(t, d, store.Write{Kind: store.Create, Key: "k"})
	w := watch(t, d, "")
	s.Freeze()
	calls := map[string]func(context.Context) error{
		"Grant":  func(ctx context.Context) error { _, err := d.Grant(ctx, time.Hour); return err },
		"Renew":  func(ctx context.Context) error { return d.Renew(ctx, id) },
		"Revoke": func(ctx context.Context) error { return d.Revoke(ctx, id) },
		"Owned":  func(ctx context.Context) error { _, err := d.Owned(ctx, id); return err },
		"List":   func(ctx context.Context) error { _, err := d.List(ctx, ""); return err },
		"Apply": func(ctx context.Context) error {
			_, err := d.Apply(ctx, []store.Write{{Kind: store.Create, Key: "x"}})
			return err
		},
	}
	for name, call := range calls {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		began := time.Now()
		err := call(ctx)
		cancel()
		require.Error(t, err, name)
		assert.Less(t, time.Since(began), 5*time.Second, name)
		assert.NotErrorIs(t, err, store.ErrGone, name)
		if name == "Apply" {
			assert.NotErrorIs(t, err, store.ErrRefused, "it may have been done")
		}
	}
	stale := w.has(t, store.EventStale) // without anybody's asking
	assert.WithinDuration(t, time.Now(), stale.Since, time.Minute)
	s.Thaw()
	w.has(t, store.EventReset)
	apply(t, d, store.Write{Kind: store.Create, Key: "later"})
	w.sees(t, "later")

	s.Freeze()
	hanging := make(chan error, 1)
	go func() { hanging <- d.Renew(context.Background(), id) }()
	began := time.Now()
	require.NoError(t, d.Close())
	assert.Less(t, time.Since(began), 5*time.Second)
	require.Error(t, <-hanging)
	require.ErrorIs(t, w.returns(t), store.ErrClosed)
	s.Thaw()
}
