package memstore_test

import (
	"context"
	"testing"

	"github.com/juju/clock"
	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/store"
	"github.com/muster-go/muster/store/memstore"
)

func cancelled(t *testing.T) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}

func TestOpen(t *testing.T) {
	t.Run("mem:// opens a private service each time", func(t *testing.T) {
		openers := store.Openers{"mem": memstore.Open}
		a, err := openers.OpenDriver(t.Context(), "mem://", clock.WallClock)
		require.NoError(t, err)
		b, err := openers.OpenDriver(t.Context(), "mem://", clock.WallClock)
		require.NoError(t, err)
		create(t, a, "a", "", "")
		require.Empty(t, keys(t, b, ""))
	})
	t.Run("an Opener's drivers share its service", func(t *testing.T) {
		openers := store.Openers{"mem": memstore.Opener(memstore.NewService(clock.WallClock))}
		a, err := openers.OpenDriver(t.Context(), "mem://", clock.WallClock)
		require.NoError(t, err)
		b, err := openers.OpenDriver(t.Context(), "mem://", clock.WallClock)
		require.NoError(t, err)
		create(t, a, "a", "", "")
		require.Equal(t, []string{"a"}, keys(t, b, ""))
	})
	t.Run("a name, path or option is refused, not ignored", func(t *testing.T) {
		for _, url := range []string{"mem://shared", "mem:///path", "mem://?ttl=1s", "mem:x"} {
			_, err := store.Openers{"mem": memstore.Open}.OpenDriver(t.Context(), url, clock.WallClock)
			require.ErrorIs(t, err, store.ErrInvalid, url)
			require.ErrorContains(t, err, "use mem://")
		}
	})
}
