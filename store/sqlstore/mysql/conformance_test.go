package mysql_test

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
	t.Parallel()
	server := servertest.Start(t, servertest.MariaDB)
	p := newPlace(t, server)
	db := handle(t, p.addr, "", nil)
	admin := open(t, p.url(p.addr))
	t.Cleanup(func() { _ = admin.Close() })
	storetest.Run(t, storetest.Harness{
		Open:    func(t testing.TB) store.Driver { return p.open(t) },
		Clock:   bootclock.Clock,
		TTL:     time.Second,
		Expire:  func(t testing.TB, id store.SessionID) { require.NoError(t, admin.Revoke(context.Background(), id)) },
		Cut:     func(_ testing.TB, d store.Driver) { d.(*proxied).proxy.Cut() },
		Freeze:  func(_ testing.TB, d store.Driver) { d.(*proxied).proxy.BlackHole() },
		Heal:    func(_ testing.TB, d store.Driver) { d.(*proxied).proxy.Heal() },
		Restart: func(testing.TB) { server.Stop(); server.Start() },
		Wipe: func(t testing.TB) {
			run(t, db, "DROP TABLE "+p.database+".muster_meta, "+p.database+".muster_records, "+p.database+".muster_sessions, "+p.database+".muster_changes")
		},
		Requests: requests,
		Poll:     100 * time.Millisecond,
	})
}
