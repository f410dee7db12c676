package sqlstore_test

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/internal/bootclock"
	"github.com/muster-go/muster/store"
	"github.com/muster-go/muster/store/sqlstore"
	"github.com/muster-go/muster/store/storetest"
)

func TestConformance(t *testing.T) {
	path := newPath(t)
	admin := open(t, path)
	storetest.Run(t, storetest.Harness{
		Open:   func(t testing.TB) store.Driver { d, err := openAt(path); require.NoError(t, err); return d },
		Clock:  bootclock.Clock,
		TTL:    time.Second,
		Expire: func(t testing.TB, id store.SessionID) { require.NoError(t, admin.Revoke(context.Background(), id)) },
		Wipe: func(t testing.TB) {
			for _, suffix := range []string{"", "-wal", "-shm"} {
				if err := os.Remove(path + suffix); err != nil {
					require.ErrorIs(t, err, os.ErrNotExist) // a driver has begun to put a new one there
				}
			}
		},
		Requests: sqlstore.Requests,
		Poll:     10 * time.Millisecond, // while others write; at rest hardly at all
	})
}
