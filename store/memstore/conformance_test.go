package memstore_test

import (
	"testing"
	"time"

	"github.com/juju/clock/testclock"

	"github.com/muster-go/muster/internal/bootclock"
	"github.com/muster-go/muster/store"
	"github.com/muster-go/muster/store/memstore"
	"github.com/muster-go/muster/store/storetest"
)

func harness(clk store.Clock, ttl time.Duration) storetest.Harness {
	service := memstore.NewService(clk)
	return storetest.Harness{
		Open:     func(testing.TB) store.Driver { return service.Open() },
		Clock:    clk,
		TTL:      ttl,
		Expire:   func(_ testing.TB, id store.SessionID) { service.Expire(id) },
		Restart:  func(testing.TB) { service.Restart() },
		Wipe:     func(testing.TB) { service.Wipe() },
		Requests: func(d store.Driver) int { return d.(*memstore.Driver).Requests() },
	}
}

func TestConformanceOnFakeTime(t *testing.T) {
	clk := testclock.NewClock(time.Unix(1e9, 0))
	h := harness(clk, time.Minute)
	h.Advance = clk.Advance
	storetest.Run(t, h)
}

func TestConformanceOnRealTime(t *testing.T) {
	storetest.Run(t, harness(bootclock.Clock, 200*time.Millisecond))
}
