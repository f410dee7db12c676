package tracker_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/juju/clock"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/claimer"
	"github.com/muster-go/muster/tracker"
	"github.com/muster-go/muster/tracker/trackertest"
)

// keeper is a script that also keeps claims: holds are counted, and can be lost and asked to resign.
type keeper struct {
	*trackertest.Script

	mu       sync.Mutex
	deadline time.Time
	lost     chan struct{}
	asked    chan struct{}
	holds    int
	refuse   error
}

func newKeeper() *keeper {
	return &keeper{Script: trackertest.NewScript(clock.WallClock), lost: make(chan struct{}), asked: make(chan struct{})}
}

func (k *keeper) Hold(claimer.Claim) (claimer.Hold, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.refuse != nil {
		return nil, k.refuse
	}
	k.holds++
	return &kept{k: k, lost: k.lost, asked: k.asked}, nil
}

func (k *keeper) held() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.holds
}

// lose ends the claim; holds taken from now on are on another.
func (k *keeper) lose() {
	k.mu.Lock()
	defer k.mu.Unlock()
	close(k.lost)
	k.lost = make(chan struct{})
}

type kept struct {
	k           *keeper
	lost, asked chan struct{}
	once        sync.Once
}

func (h *kept) Deadline() time.Time {
	h.k.mu.Lock()
	defer h.k.mu.Unlock()
	return h.k.deadline
}
func (h *kept) Lost() <-chan struct{}        { return h.lost }
func (h *kept) ResignAsked() <-chan struct{} { return h.asked }
func (h *kept) Release() {
	h.once.Do(func() {
		h.k.mu.Lock()
		defer h.k.mu.Unlock()
		h.k.holds--
	})
}

// kept runs a tracker that leads over a keeper.
func keeping(t *testing.T) (*tracker.Worker, *keeper) {
	t.Helper()
	k := newKeeper()
	w := start(t, configFor(k))
	t.Cleanup(k.Close)
	k.Next(t, trackertest.Claim).Grant(1)
	synctest.Wait()
	require.True(t, leads(w))
	require.Equal(t, 1, k.held(), "the tracker's own hold, by which it watches")
	return w, k
}

func TestALostClaimLowersAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, k := keeping(t)
		minion := w.WaitMinion()
		k.lose()
		assertTicket(t, false, minion, "lost")
		assert.False(t, leads(w))
		claim := k.Next(t, trackertest.Claim) // nothing to release: it is gone
		assert.Zero(t, k.held(), "the hold is dropped before the name is claimed again")
		claim.Grant(2)
		synctest.Wait()
		assert.True(t, leads(w))
	})
}

func TestARequestToResignIsObeyed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, k := keeping(t)
		hold, err := w.Hold()
		require.NoError(t, err)
		require.Equal(t, 2, k.held())
		close(k.asked)
		k.asked = make(chan struct{})
		<-hold.Lost()
		synctest.Wait()
		require.Zero(t, k.Pending(), "guarded work still runs")
		hold.Release()
		release := k.Next(t, trackertest.Release)
		assert.Zero(t, k.held(), "Release waits for holds: the tracker's own goes first")
		release.Return(nil)
		k.Next(t, trackertest.Claim).Deny("box-2", 2)
		synctest.Wait()
		assert.False(t, leads(w))
	})
}

func TestTheDeadlineIsTheKeepersIfThatIsLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sent := time.Now()
		w, k := keeping(t)
		_, deadline, ok := w.Leadership()
		require.True(t, ok)
		assert.Equal(t, lease, deadline.Sub(sent))
		later := sent.Add(time.Hour)
		k.mu.Lock()
		k.deadline = later
		k.mu.Unlock()
		_, deadline, ok = w.Leadership()
		require.True(t, ok)
		assert.Equal(t, later, deadline)
		time.Sleep(lease)
		_, _, ok = w.Leadership()
		assert.False(t, ok, "a later deadline doesn't make a leader")
	})
}

func TestAHoldThatTheKeeperRefusesIsNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, k := keeping(t)
		k.mu.Lock()
		k.refuse = claimer.ErrNotHeld
		k.mu.Unlock()
		_, err := w.Hold()
		require.ErrorIs(t, err, tracker.ErrNotLeader)
		require.ErrorIs(t, err, claimer.ErrNotHeld)
		ended := make(chan error, 1)
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			ended <- w.RunWhileLeader(ctx, func(context.Context, claimer.Claim) error { return nil })
		}()
		k.Next(t, trackertest.Claim).Deny("box-2", 2) // the refusal has the tracker look
		synctest.Wait()
		assert.False(t, leads(w))
		cancel()
		assert.ErrorIs(t, <-ended, context.Canceled)
		k.Next(t, trackertest.WaitReleased)
	})
}

func TestTheHoldOfASecondGrantIsDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKeeper()
		w := start(t, configFor(k))
		t.Cleanup(k.Close)
		slow := k.Next(t, trackertest.Claim) // abandoned
		k.Next(t, trackertest.Claim).Grant(1)
		slow.Grant(1)
		synctest.Wait()
		assert.True(t, leads(w))
		assert.Equal(t, 1, k.held())
	})
}

func TestNothingIsHeldAfterTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, k := keeping(t)
		time.Sleep(duration)
		k.Next(t, trackertest.Claim).Grant(1)
		synctest.Wait()
		w.Kill()
		k.Next(t, trackertest.Release).Return(nil)
		require.NoError(t, w.Wait())
		assert.Zero(t, k.held())
	})
	synctest.Test(t, func(t *testing.T) { // granted only after the end
		k := newKeeper()
		w := start(t, configFor(k))
		t.Cleanup(k.Close)
		call := k.Next(t, trackertest.Claim)
		w.Kill()
		require.NoError(t, w.Wait())
		call.Grant(1)
		k.Next(t, trackertest.Release).Return(nil)
		synctest.Wait()
		assert.Zero(t, k.held())
	})
}
