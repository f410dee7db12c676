package postgres_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/internal/bootclock"
	"github.com/muster-go/muster/internal/servertest"
	"github.com/muster-go/muster/store"
	"github.com/muster-go/muster/store/storetest"
)

func TestConformance(t *testing.T) {
	server := servertest.Start(t, servertest.PostgreSQL)
	p := newPlace(server)
	db := admin(t, p.addr)
	storetest.Run(t, storetest.Harness{
		Open:  func(t testing.TB) store.Driver { return p.open(t) },
		Clock: bootclock.Clock,
		TTL:   time.Second,
		Expire: func(t testing.TB, id store.SessionID) {
			d := open(t, p.url(p.addr))
			require.NoError(t, d.Revoke(context.Background(), id))
			require.NoError(t, d.Close())
		},
		Cut:     func(_ testing.TB, d store.Driver) { d.(*client).proxy.Cut() },
		Freeze:  func(_ testing.TB, d store.Driver) { d.(*client).proxy.BlackHole() },
		Heal:    func(_ testing.TB, d store.Driver) { d.(*client).proxy.Heal() },
		Restart: func(testing.TB) { server.Stop(); server.Start() },
		Wipe: func(t testing.TB) {
			_, err := db.Exec(`DROP SCHEMA ` + p.schema + ` CASCADE`)
			require.NoError(t, err)
		},
		Requests: requests,
		Poll:     10 * time.Millisecond, // while others write; at rest hardly at all
	})
}
