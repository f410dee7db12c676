package tracker_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/claimer"
	"github.com/muster-go/muster/tracker"
)

// closing grants claims until it is closed. From the tenth Claim after that on it blocks, or a tracker
// that claims without a pause would hang the test.
type closing struct {
	closed  atomic.Bool
	refused atomic.Int64
}

func (c *closing) Claim(ctx context.Context, candidate claimer.Candidate, _ time.Duration) (claimer.Claim, error) {
	if !c.closed.Load() {
		return claimer.Claim{Candidate: candidate, Token: 1}, nil
	}
	if c.refused.Add(1) >= 10 {
		<-ctx.Done()
	}
	return claimer.Claim{}, claimer.ErrClosed
}

func (c *closing) Release(context.Context, claimer.Claim) error { return claimer.ErrClosed }

func (c *closing) WaitReleased(context.Context, claimer.Candidate) error { return claimer.ErrClosed }

func TestAStoppingTrackerWhoseClaimerIsClosedDoesNotAskItAgainAndAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &closing{}
		w, err := tracker.New(configFor(c))
		require.NoError(t, err)
		synctest.Wait()
		hold, err := w.Hold()
		require.NoError(t, err)
		w.Kill()
		c.closed.Store(true)
		time.Sleep(3 * duration)
		assert.LessOrEqual(t, c.refused.Load(), int64(1))
		hold.Release()
		_ = w.Wait()
	})
}
