package scenario_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/muster-go/muster/internal/etcdtest"
)

func TestAfterAGracefulStopTheWaiterLeadsLongBeforeTheTTL(t *testing.T) {
	t.Parallel()
	const ttl = 2 * time.Minute
	server := etcdtest.Start(t, etcdtest.Settings{})
	led := newLedger(t)
	url := server.URL("hand-over") + "?fresh=true"
	first := newStand(t, url, "e", "first", ttl, led)
	led.leads(time.Time{}, only("first"))
	second := newStand(t, url, "e", "second", ttl, led)
	second.waits()
	stopped := time.Now()
	first.leave()
	next := led.leads(stopped, only("second"))
	took := next.start.Sub(stopped)
	t.Logf("handed over in %v", took)
	assert.Less(t, took, ttl/4)
	led.verify(2)
}
