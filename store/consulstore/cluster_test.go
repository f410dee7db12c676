package consulstore_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/internal/servertest"
	"github.com/muster-go/muster/store"
)

// newCluster starts three servers. The first one leads.
func newCluster(t testing.TB) []*servertest.Server {
	t.Helper()
	const steady = `"autopilot": {"server_stabilization_time": "100ms"}, "leave_on_terminate": false`
	first := servertest.Start(t, servertest.ConsulWith(func(*servertest.Server) string { return "{" + steady + "}" }))
	servers := []*servertest.Server{first}
	for i := range 2 {
		servers = append(servers, servertest.Start(t, servertest.ConsulWith(func(*servertest.Server) string {
			return fmt.Sprintf(`{%s, "bootstrap_expect": 0, "node_name": "n%d", "retry_join": [%q]}`, steady, i+2, first.Addrs()[3])
		})))
	}
	require.Eventually(t, func() bool {
		raft, err := admin(t, first).Operator().RaftGetConfiguration(nil)
		voters := 0
		if err == nil {
			for _, server := range raft.Servers {
				if server.Voter {
					voters++
				}
			}
		}
		return voters == len(servers)
	}, time.Minute, 50*time.Millisecond, "three servers that vote")
	return servers
}

func TestTheDeathOfConsulsLeaderLosesNothing(t *testing.T) {
	t.Parallel()
	servers := newCluster(t)
	d := open(t, "consul://"+servers[1].Addr()+"/cluster?node=n2")
	defer func() { require.NoError(t, d.Close()) }()
	other := open(t, "consul://"+servers[2].Addr()+"/cluster?node=n3")
	defer func() { require.NoError(t, other.Close()) }()
	const ttl = 2 * time.Second
	kept, err := d.Grant(t.Context(), time.Minute)
	require.NoError(t, err)
	apply(t, d, store.Write{Kind: store.Create, Key: "kept", Session: kept})
	left, err := d.Grant(t.Context(), ttl)
	require.NoError(t, err)
	rev := apply(t, d, store.Write{Kind: store.Create, Key: "left", Session: left})
	w := watch(t, other, "")
	before, err := other.List(t.Context(), "")
	require.NoError(t, err)
	require.GreaterOrEqual(t, before.Rev, rev)
	began := time.Now()
	require.NoError(t, d.Renew(t.Context(), left))
	servers[0].Stop()
	w.has(t, store.EventStale)
	require.Eventually(t, func() bool {
		after, err := other.List(t.Context(), "")
		if err != nil {
			return false
		}
		assert.GreaterOrEqual(t, after.Rev, before.Rev, "revisions go on")
		return true
	}, time.Minute, 20*time.Millisecond)
	t.Logf("a consistent read %v after the leader's death", time.Since(began))
	w.has(t, store.EventReset)
	require.NoError(t, d.Renew(t.Context(), kept))
	w.misses(t, "left")
	took := time.Since(began)
	t.Logf("the session that nobody renewed went %v after its last renewal", took)
	assert.GreaterOrEqual(t, took, ttl)
	assert.Less(t, took, d.Limits().WorstFailover(ttl)+20*time.Second, "a busy machine aside")
	w.sees(t, "kept")
	require.NoError(t, d.Renew(t.Context(), kept))
	apply(t, d, store.Write{Kind: store.Create, Key: "later", Session: kept})
	w.sees(t, "later")
}
