package tracker_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/juju/clock"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/claimer"
	"github.com/muster-go/muster/store"
	"github.com/muster-go/muster/store/memstore"
	"github.com/muster-go/muster/tracker"
)

// ttl is the session's for which a tracker's Duration is 0.4 TTL.
const ttl = duration * 10 / 4

// process is a tracker over a queue and a store of its own, on a service shared with others.
type process struct {
	*tracker.Worker
	queue *claimer.Queue
}

func newProcess(t *testing.T, service *memstore.Service, name string) process {
	t.Helper()
	st, err := store.New(store.Config{Driver: service.Open(), Clock: clock.WallClock, Logger: quiet, Fresh: true})
	require.NoError(t, err)
	t.Cleanup(func() { _ = st.Close() })
	queue, err := claimer.New(claimer.Config{Store: st, TTL: ttl, Logger: quiet})
	require.NoError(t, err)
	t.Cleanup(func() { _ = queue.Close() })
	config := configFor(queue)
	config.Candidate.Holder = name
	return process{Worker: start(t, config), queue: queue}
}

func TestTrackersOverAQueueHandOverInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		service := memstore.NewService(clock.WallClock)
		var all []process
		for _, name := range []string{"a", "b", "c"} {
			all = append(all, newProcess(t, service, name))
			time.Sleep(time.Second)
		}
		leader := func() (leader int) {
			leader = -1
			for i, p := range all {
				if leads(p.Worker) {
					require.Equal(t, -1, leader, "two lead")
					leader = i
				}
			}
			return leader
		}
		var token uint64
		for turn := range 9 {
			require.Equal(t, turn%3, leader(), "turn %d", turn)
			claim, _, _ := all[turn%3].Leadership()
			require.Greater(t, claim.Token, token)
			token = claim.Token
			time.Sleep(time.Hour) // an hour of renewals
			require.Equal(t, turn%3, leader(), "an hour later")
			ended := run(t.Context(), all[turn%3].Worker, untilDone)
			synctest.Wait()
			if turn%2 == 0 {
				held, err := all[turn%3].Resign(t.Context())
				require.NoError(t, err)
				require.True(t, held)
			} else {
				_, err := all[0].queue.AskResign(t.Context(), "web")
				require.NoError(t, err)
			}
			require.ErrorIs(t, <-ended, tracker.ErrLeadershipChanged)
			time.Sleep(duration / 10) // the resigned one stands again, last
		}
	})
}

func TestGuardedWorkKeepsAClaimInTheQueueUntilItEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		service := memstore.NewService(clock.WallClock)
		a := newProcess(t, service, "a")
		require.True(t, a.WaitLeader().Wait())
		b := newProcess(t, service, "b")
		hold, err := a.Hold()
		require.NoError(t, err)
		a.Kill()
		time.Sleep(time.Hour)
		assert.False(t, leads(a.Worker))
		assert.False(t, leads(b.Worker), "work of the old leader still runs")
		assert.Positive(t, time.Until(hold.Deadline()), "kept renewed")
		hold.Release()
		require.NoError(t, a.Wait())
		synctest.Wait()
		assert.True(t, leads(b.Worker), "at once")
	})
}

func TestAnElectionOverAQueueSurvivesOutages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		service := memstore.NewService(clock.WallClock)
		a, b := newProcess(t, service, "a"), newProcess(t, service, "b")
		for _, outage := range []time.Duration{ttl / 10, ttl, 10 * ttl, 2 * time.Hour} {
			ctx, cancel := context.WithTimeout(t.Context(), 10*ttl)
			for !leads(a.Worker) && !leads(b.Worker) {
				require.NoError(t, ctx.Err(), "nobody leads before the outage of %v", outage)
				time.Sleep(time.Second)
			}
			cancel()
			service.Stop()
			for end := time.Now().Add(outage); time.Now().Before(end); time.Sleep(time.Second) {
				require.False(t, leads(a.Worker) && leads(b.Worker), "two lead")
				if time.Until(end) < outage-ttl {
					require.False(t, leads(a.Worker) || leads(b.Worker), "leads without a lease")
				}
			}
			service.Start()
		}
		time.Sleep(10 * ttl)
		assert.True(t, leads(a.Worker) != leads(b.Worker), "one leads in the end")
	})
}
