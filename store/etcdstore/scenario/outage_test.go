package scenario_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/muster-go/muster/internal/etcdtest"
)

// outageTTL is that of the stands whose etcd goes away.
const outageTTL = 2 * time.Second

func TestAfterAnOutageOneLeadsAndNeverTwo(t *testing.T) {
	for _, tt := range []struct {
		name   string
		length time.Duration // for how long etcd is stopped
		start  func(*etcdtest.Server, etcdtest.Snapshot)
	}{
		{"stopped for 4 × TTL and started", 4 * outageTTL, func(s *etcdtest.Server, _ etcdtest.Snapshot) { s.Start() }},
		{"stopped for 4 × TTL and started empty", 4 * outageTTL, func(s *etcdtest.Server, _ etcdtest.Snapshot) { s.Wipe() }},
		{"stopped for 4 × TTL and restored from an older snapshot", 4 * outageTTL, (*etcdtest.Server).Restore},
		{"started empty at once", 0, func(s *etcdtest.Server, _ etcdtest.Snapshot) { s.Wipe() }},
		{"restored from an older snapshot at once", 0, (*etcdtest.Server).Restore},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			server := etcdtest.Start(t, etcdtest.Settings{})
			url := server.URL("outages") // no word of fresh: all depends on R5
			led := newLedger(t)
			a := newStand(t, url, "e", "a", outageTTL, led)
			led.leads(time.Time{}, only("a"))
			// The stands lead after a, whom the snapshot shows as the leader.
			snapshot := server.Snapshot()
			stands := map[string]*stand{"a": a}
			for _, name := range []string{"b", "c"} {
				stands[name] = newStand(t, url, "e", name, outageTTL, led)
			}
			before := led.handOver(stands, not("a"))

			struck := time.Now()
			server.Stop()
			if tt.length > 0 {
				<-time.After(tt.length)
				assert.Empty(t, led.running(), "nobody leads without a store")
			}
			tt.start(server, snapshot)
			started := time.Now()
			// One that knew nothing of all this.
			newStand(t, url, "e", "newcomer", outageTTL, led)

			after := led.leads(started, anybody)
			assert.Greater(t, after.token, before.token)
			t.Logf("%s led again %v after the start, %v after the stop", after.who, after.start.Sub(started), after.start.Sub(struck))
			// Who else would lead does so by now: the longest TTL has passed, and all have joined.
			<-time.After(outageTTL)
			assert.Len(t, led.running(), 1)
			led.verify(3)
		})
	}
}
