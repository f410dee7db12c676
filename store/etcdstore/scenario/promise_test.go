package scenario_test

import (
	"context"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/internal/bootclock"
	"github.com/muster-go/muster/internal/etcdtest"
	"github.com/muster-go/muster/store"
	"github.com/muster-go/muster/store/etcdstore"
)

// A leader of etcd's that is cut off renews leases until it notices, while another one may lead
// already. What such a renewal promised must hold all the same: the deadline of a store.Lease stands
// on it.
func TestALeaseThatACutOffLeaderRenewedLivesItsWholeTTL(t *testing.T) {
	t.Parallel()
	const ttl = 2 * time.Second
	cluster := etcdtest.StartCluster(t, 3)
	ctx := context.Background()
	openAt := func(endpoint string) store.Driver {
		u, err := url.Parse(etcdtest.URL("promise", endpoint))
		require.NoError(t, err)
		d, err := etcdstore.Open(ctx, u, bootclock.Clock)
		require.NoError(t, err)
		return d
	}
	leader := cluster.Leader()
	stale, other := openAt(cluster.Endpoints()[leader]), openAt(cluster.Endpoints()[(leader+1)%3])
	defer func() { require.NoError(t, stale.Close()); require.NoError(t, other.Close()) }()
	var id store.SessionID
	require.Eventually(t, func() bool { // a busy machine may leave the cluster without a leader for a moment
		var err error
		id, err = stale.Grant(ctx, ttl)
		return err == nil
	}, patience, pollTime)
	outcomes, err := stale.Apply(ctx, []store.Write{{Kind: store.Create, Key: "owned", Session: id}})
	require.NoError(t, err)
	require.NoError(t, outcomes[0].Err)

	cluster.Isolate(leader)
	cut := bootclock.Clock.Now()
	var renewed time.Time // when the latest renewal was sent that was answered
	for {
		sent := bootclock.Clock.Now()
		ctx, cancel := context.WithTimeout(ctx, ttl/3)
		err := stale.Renew(ctx, id)
		cancel()
		if err != nil {
			require.NotErrorIs(t, err, store.ErrSessionGone)
			break
		}
		renewed = sent
	}
	require.False(t, renewed.IsZero())
	alive := renewed // when it was surely there
	require.Eventually(t, func() bool {
		ctx, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		asked := bootclock.Clock.Now()
		snapshot, err := other.List(ctx, "owned")
		if err != nil {
			return false
		}
		if len(snapshot.Records) == 1 {
			alive = asked
		}
		return len(snapshot.Records) == 0
	}, patience, pollTime)
	gone := bootclock.Clock.Now()
	t.Logf("renewed until %v after the cut, gone %v to %v after the renewal was sent", renewed.Sub(cut), alive.Sub(renewed), gone.Sub(renewed))
	require.Greater(t, gone.Sub(renewed), ttl*99/100)
	cluster.Join(leader)
}
