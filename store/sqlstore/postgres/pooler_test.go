package postgres_test

import (
	"testing"
	"time"

	"github.com/muster-go/muster/internal/bootclock"
	"github.com/muster-go/muster/internal/servertest"
	"github.com/muster-go/muster/store"
	"github.com/muster-go/muster/store/storetest"
)

// One connection for all clients, which each transaction may get: nothing may be kept in one, prepared
// in one, locked with one, or be waited for within one.
func TestConformanceBehindATransactionPoolerWithOneConnection(t *testing.T) {
	pooler := servertest.Start(t, servertest.PgBouncer(servertest.Shared(t, servertest.PostgreSQL)))
	p := newPlace(pooler)
	storetest.Run(t, storetest.Harness{
		Open:     func(t testing.TB) store.Driver { return open(t, p.url(p.addr)) },
		Clock:    bootclock.Clock,
		TTL:      time.Second,
		Slack:    10 * time.Second, // all wait for the one connection
		Requests: requests,
		Poll:     100 * time.Millisecond,
	})
}

func requests(d store.Driver) int {
	if c, ok := d.(*client); ok {
		d = c.Driver
	}
	return d.(interface{ Requests() int }).Requests()
}
