package trackertest_test

import (
	"context"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/juju/clock"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/muster-go/muster/claimer"
	"github.com/muster-go/muster/tracker"
	"github.com/muster-go/muster/tracker/trackertest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func ready(ticket tracker.Ticket) bool {
	select {
	case <-ticket.Ready():
		return true
	default:
		return false
	}
}

func TestFixedTrackersNeverChangeTheirAnswer(t *testing.T) {
	always, never := trackertest.AlwaysLeader("web"), trackertest.NeverLeader("web")
	assert.Equal(t, "web", always.ServiceName())
	assert.Positive(t, never.ClaimDuration())
	assert.True(t, always.ClaimLeader().Wait())
	assert.True(t, always.WaitLeader().Wait())
	assert.False(t, ready(always.WaitMinion()))
	assert.False(t, never.ClaimLeader().Wait())
	assert.False(t, ready(never.WaitLeader()))
	assert.True(t, ready(never.WaitMinion()))
	assert.False(t, never.WaitMinion().Wait())
	assert.ErrorIs(t, always.RunWhileLeader(t.Context(), func(_ context.Context, c claimer.Claim) error {
		assert.Equal(t, uint64(1), c.Token)
		return io.EOF
	}), io.EOF)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	assert.ErrorIs(t, never.RunWhileLeader(ctx, nil), context.Canceled)
}

func TestMemoryIsExclusiveExpiresAndCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, ctx := trackertest.NewMemory(clock.WallClock), t.Context()
		a, b := claimer.Candidate{Name: "web", Holder: "a"}, claimer.Candidate{Name: "web", Holder: "b"}
		first, err := m.Claim(ctx, a, time.Minute)
		require.NoError(t, err)
		_, err = m.Claim(ctx, b, time.Minute)
		require.ErrorIs(t, err, claimer.ErrDenied)
		time.Sleep(30 * time.Second)
		again, err := m.Claim(ctx, a, time.Minute) // extended
		require.NoError(t, err)
		assert.Equal(t, first.Token, again.Token)
		before := time.Now()
		require.NoError(t, m.WaitReleased(ctx, b))
		assert.Equal(t, time.Minute, time.Since(before), "from the extension on")
		assert.ErrorIs(t, m.Release(ctx, first), claimer.ErrNotHeld)
		second, err := m.Claim(ctx, b, time.Minute)
		require.NoError(t, err)
		assert.Greater(t, second.Token, first.Token)
		assert.ErrorIs(t, m.Release(ctx, first), claimer.ErrNotHeld, "another's isn't released")
		go func() { _ = m.Release(ctx, second) }()
		before = time.Now()
		require.NoError(t, m.WaitReleased(ctx, a))
		assert.Zero(t, time.Since(before), "woken by the release")
	})
}

func TestScriptCallsHangUntilTheyAreAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := trackertest.NewScript(clock.WallClock)
		ctx, cancel := context.WithCancel(t.Context())
		errs := make(chan error, 1)
		claim := func() {
			_, err := s.Claim(ctx, claimer.Candidate{Name: "web", Holder: "a"}, time.Minute)
			errs <- err
		}
		go claim()
		call := s.Next(t, trackertest.Claim)
		cancel()
		time.Sleep(time.Hour)
		require.Empty(t, errs, "its context is ignored")
		call.Grant(1)
		require.NoError(t, <-errs)
		go claim()
		s.Next(t, trackertest.Claim).UntilCancelled()
		require.ErrorIs(t, <-errs, context.Canceled)
		go claim()
		synctest.Wait()
		assert.Equal(t, 1, s.Pending())
		s.Close()
		require.ErrorIs(t, <-errs, trackertest.ErrScriptClosed)
		assert.Len(t, s.Calls(), 3)
	})
}
