package scenario_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/muster-go/muster/internal/etcdtest"
)

func TestInAClusterThatLosesItsLeaderOneLeadsAndNeverTwo(t *testing.T) {
	t.Parallel()
	const ttl = 3 * time.Second
	cluster := etcdtest.StartCluster(t, 3)
	led := newLedger(t)
	// Two know the whole cluster; three know one node each.
	url := cluster.URL("cluster") + "?fresh=true"
	stands := map[string]*stand{}
	for _, name := range []string{"all-1", "all-2"} {
		stands[name] = newStand(t, url, "e", name, ttl, led)
	}
	pinned := []string{"node-1", "node-2", "node-3"}
	for i, name := range pinned {
		stands[name] = newStand(t, cluster.Members[i].URL("cluster")+"?fresh=true", "e", name, ttl, led)
	}
	led.leads(time.Time{}, anybody)

	t.Log("etcd's leader is killed")
	node := cluster.Leader()
	cluster.Members[node].Stop()
	killed := time.Now()
	assert.NotEqual(t, node, cluster.Leader())
	// Who knows the dead node only can't lead for longer than a TTL; somebody else does then.
	<-time.After(ttl)
	next := led.leads(time.Time{}, not(pinned[node]))
	t.Logf("%s leads %v after", next.who, time.Since(killed))
	cluster.Members[node].Start()
	stands[pinned[node]].stands()

	t.Log("etcd's leader is cut off from its peers, and the stand that only knows it leads")
	node = cluster.Leader()
	led.handOver(stands, only(pinned[node]))
	cluster.Isolate(node)
	isolated := time.Now()
	next = led.leads(isolated, not(pinned[node]))
	t.Logf("%s leads %v after", next.who, next.start.Sub(isolated))
	for range 10 { // for a while the stale leader serves nobody
		for _, s := range led.running() {
			assert.NotEqual(t, pinned[node], s.who)
		}
		<-time.After(ttl / 10)
	}
	cluster.Join(node)
	stands[pinned[node]].stands()
	led.leads(time.Time{}, anybody)
	led.verify(3)
}
