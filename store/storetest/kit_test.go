package storetest_test

import (
	"testing"
	"time"

	"github.com/juju/clock/testclock"

	"github.com/muster-go/muster/internal/bootclock"
	"github.com/muster-go/muster/store"
	"github.com/muster-go/muster/store/memstore"
	"github.com/muster-go/muster/store/storetest"
)

// harness has every lever: those on one client are pulled by Faults.
func harness(clk store.Clock, advance func(time.Duration), ttl time.Duration) storetest.Harness {
	service := memstore.NewService(clk)
	all := []storetest.Op{storetest.Proof, storetest.Grant, storetest.Renew, storetest.Revoke, storetest.Owned, storetest.Apply, storetest.List}
	return storetest.Harness{
		Open:    func(testing.TB) store.Driver { return storetest.WithFaults(service.Open(), clk) },
		Clock:   clk,
		Advance: advance,
		TTL:     ttl,
		Expire:  func(_ testing.TB, id store.SessionID) { service.Expire(id) },
		Cut: func(_ testing.TB, d store.Driver) {
			d.(*storetest.Faults).CutWatches()
			d.(*storetest.Faults).Inject(storetest.Fault{Kind: storetest.Fail, Ops: all, Err: store.ErrUnreachable})
		},
		Freeze: func(_ testing.TB, d store.Driver) {
			d.(*storetest.Faults).Inject(storetest.Fault{Kind: storetest.Hang})
		},
		Heal:     func(_ testing.TB, d store.Driver) { d.(*storetest.Faults).Heal() },
		Restart:  func(testing.TB) { service.Restart() },
		Wipe:     func(testing.TB) { service.Wipe() },
		Requests: func(d store.Driver) int { return d.(*storetest.Faults).Calls() },
	}
}

func TestMemoryStoreUnderFaultsOnFakeTime(t *testing.T) {
	clk := testclock.NewClock(time.Unix(1e9, 0))
	storetest.Run(t, harness(clk, clk.Advance, time.Minute))
}

func TestMemoryStoreUnderFaultsOnRealTime(t *testing.T) {
	storetest.Run(t, harness(bootclock.Clock, nil, 200*time.Millisecond))
}
