package store_test

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/internal/bootclock"
	"github.com/muster-go/muster/store"
	"github.com/muster-go/muster/store/memstore"
)

func TestJitterMakesRenewalsComeSoonerByAnotherShareEachTime(t *testing.T) {
	in(t, func(w world) {
		const every = ttl * 15 / 100
		s, h := w.open(store.Config{Jitter: 0.4})
		w.lease(s)
		var mu sync.Mutex
		var at []time.Time
		h.set(func(op string) (func() error, func() error) {
			if op == "renew" {
				mu.Lock()
				defer mu.Unlock()
				at = append(at, bootclock.Clock.Now())
			}
			return nil, nil
		})
		time.Sleep(10 * ttl)
		mu.Lock()
		defer mu.Unlock()
		pauses := map[time.Duration]bool{}
		for i := 1; i < len(at); i++ {
			pause := at[i].Sub(at[i-1]).Round(time.Millisecond)
			pauses[pause] = true
			assert.GreaterOrEqual(t, pause, every*6/10)
			assert.LessOrEqual(t, pause, every)
		}
		assert.Greater(t, len(pauses), 20, "another one each time")
	})
	_, err := store.New(store.Config{Driver: memstore.NewService(bootclock.Clock).Open(), Jitter: 0.6})
	require.ErrorIs(t, err, store.ErrInvalid)
}
