package store_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/store"
)

func TestLimitsRefuseATTLWithTheArithmetic(t *testing.T) {
	l := store.Limits{MinTTL: 2 * time.Second, MaxTTL: time.Hour, Granularity: time.Second, ExpiryFactor: 2, ExpiryLag: 300 * time.Millisecond}
	err := l.Check(time.Second)
	require.ErrorIs(t, err, store.ErrInvalid)
	assert.EqualError(t, err, "ttl 1s is below this store's shortest, 2s: use at least 2s (then the next leader takes over at most 4.3s after a crash: 2s × 2 + 300ms): invalid")
	assert.ErrorIs(t, l.Check(0), store.ErrInvalid)
	assert.ErrorIs(t, l.Check(-time.Second), store.ErrInvalid)
	assert.ErrorContains(t, l.Check(2*time.Hour), "use at most 1h0m0s")
	assert.NoError(t, l.Check(2*time.Second))
	assert.Equal(t, 6300*time.Millisecond, l.WorstFailover(2500*time.Millisecond), "2.5 s is rounded up to 3 s")
	assert.Equal(t, 5*time.Second, store.Limits{}.WorstFailover(5*time.Second), "a factor of 0 counts as 1")
}

func TestErrorsMatchTheirClassOnly(t *testing.T) {
	for _, e := range []store.Error{store.ErrConflict, store.ErrInvalid, store.ErrUnauthorized, store.ErrClosed, store.ErrUnreachable} {
		assert.ErrorIs(t, e, store.ErrRefused)
		assert.NotErrorIs(t, e, store.ErrGone)
	}
	assert.ErrorIs(t, store.ErrSessionGone, store.ErrGone)
	assert.NotErrorIs(t, store.ErrSessionGone, store.ErrRefused)
	assert.NotErrorIs(t, store.ErrRefused, store.ErrConflict)
}
