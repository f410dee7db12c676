package consulstore_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/internal/bootclock"
	"github.com/muster-go/muster/internal/servertest"
	"github.com/muster-go/muster/store"
	"github.com/muster-go/muster/store/consulstore"
	"github.com/muster-go/muster/store/storetest"
)

func TestConformance(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, servertest.Consul)
	storetest.Run(t, storetest.Harness{
		Open:  func(t testing.TB) store.Driver { return openProxied(t, s) },
		Clock: bootclock.Clock,
		TTL:   time.Second,
		Expire: func(t testing.TB, id store.SessionID) {
			_, err := admin(t, s).Session().Destroy(string(id), nil)
			require.NoError(t, err)
		},
		Cut:      func(_ testing.TB, d store.Driver) { d.(*client).proxy.Cut() },
		Freeze:   func(_ testing.TB, d store.Driver) { d.(*client).proxy.BlackHole() },
		Heal:     func(_ testing.TB, d store.Driver) { d.(*client).proxy.Heal() },
		Restart:  func(testing.TB) { s.Stop(); s.Start() },
		Wipe:     func(testing.TB) { s.Wipe() },
		Requests: func(d store.Driver) int { return consulstore.Requests(d.(*client).Driver) },
	})
}
