package scenario_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/internal/etcdtest"
)

// outageTTL is that of the stands whose etcd goes away.
const outageTTL = 2 * time.Second

func TestAfterAnOutageOneLeadsAndNeverTwo(t *testing.T) {
	for _, tt := range []struct {
		name   string
		length time.Duration // for how long etcd is stopped
		start  func(*etcdtest.Server, etcdtest.Snapshot)
		// A restored store looks like any other to one that was never there: what happened since the
		// snapshot, tokens too, only its witnesses know. So the newcomer comes after them.
		restored bool
	}{
		{"stopped for 4 × TTL and started", 4 * outageTTL, func(s *etcdtest.Server, _ etcdtest.Snapshot) { s.Start() }, false},
		{"stopped for 4 × TTL and started empty", 4 * outageTTL, func(s *etcdtest.Server, _ etcdtest.Snapshot) { s.Wipe() }, false},
		{"stopped for 4 × TTL and restored from an older snapshot", 4 * outageTTL, (*etcdtest.Server).Restore, true},
		{"started empty at once", 0, func(s *etcdtest.Server, _ etcdtest.Snapshot) { s.Wipe() }, false},
		{"restored from an older snapshot at once", 0, (*etcdtest.Server).Restore, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			server := etcdtest.Start(t, etcdtest.Settings{})
			url := server.URL("outages") // no word of fresh: all depends on R5
			led := newLedger(t)
			a := newStand(t, url, "e", "a", outageTTL, led)
			led.leads(time.Time{}, only("a"))
			snapshot := server.Snapshot()
			stands := map[string]*stand{"a": a, "b": newStand(t, url, "e", "b", outageTTL, led)}
			// b leads after a, whom the snapshot shows as the leader, and a has seen its token: the tokens
			// of a restored store rise by what the witnesses know who come back first.
			before := led.handOver(stands, only("b"))
			require.Eventually(t, func() bool {
				if running := led.running(); len(running) == 1 {
					before = running[0]
				}
				return before.who == "b" && a.standsBehind(before.token)
			}, patience, time.Second)

			struck := time.Now()
			server.Stop()
			if tt.length > 0 {
				<-time.After(tt.length)
				assert.Empty(t, led.running(), "nobody leads without a store")
			}
			tt.start(server, snapshot)
			started := time.Now()
			// One that knew nothing of all this. After a wipe nobody leads for
			// its TTL, in which those who know come back.
			newcomer := func() { newStand(t, url, "e", "newcomer", 2*outageTTL, led) }
			if !tt.restored {
				newcomer()
			}
			after := led.leads(started, anybody)
			assert.Greater(t, after.token, before.token)
			t.Logf("%s led again %v after the start, %v after the stop", after.who, after.start.Sub(started), after.start.Sub(struck))
			if tt.restored {
				newcomer()
			}
			// Who else would lead does so by now: the longest TTL has passed, and all have joined.
			<-time.After(outageTTL)
			led.leads(started, anybody)
			led.verify(3)
		})
	}
}
