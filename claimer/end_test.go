package claimer_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/claimer"
	"github.com/muster-go/muster/internal/bootclock"
	"github.com/muster-go/muster/store"
	"github.com/muster-go/muster/store/storetest"
)

// sibling is another queue of the same process: it shares the store, and with it the session.
func (w world) sibling(p *process) *claimer.Queue {
	q, err := claimer.New(claimer.Config{Store: p.store, TTL: ttl, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(w, err)
	w.Cleanup(func() { _ = q.Close() })
	return q
}

// lead claims until it is granted or the limit has passed.
func (w world) lead(p *process, holder string, limit time.Duration) (claimer.Claim, error) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	for {
		claim, err := p.Claim(ctx, candidate(holder), d)
		if !errors.Is(err, claimer.ErrDenied) {
			return claim, err
		}
		if err := p.WaitReleased(ctx, candidate(holder)); err != nil {
			return claim, err
		}
	}
}

func TestR11CloseOfOneOfTwoQueuesLeavesNoRecordOnTheSharedSession(t *testing.T) {
	in(t, func(w world) {
		p, other := w.process(), w.process()
		sibling := w.sibling(p)
		_, err := sibling.Claim(context.Background(), claimer.Candidate{Name: "y", Holder: "s"}, d)
		require.NoError(t, err)
		go func() { _ = sibling.WaitReleased(w.ctx, claimer.Candidate{Name: "y", Holder: "s"}) }()
		w.claim(p, "a")
		synctest.Wait()
		require.NoError(t, p.Close())
		_, err = w.lead(other, "b", time.Second)
		require.NoError(t, err, "the session lives on, but the closed queue's record must not")
	})
}

func TestR12AHoldDroppedAfterCloseLetsOthersInThoughTheSessionLivesOn(t *testing.T) {
	in(t, func(w world) {
		p, other := w.process(), w.process()
		sibling := w.sibling(p)
		keep := claimer.Candidate{Name: "y", Holder: "s"}
		claimed, err := sibling.Claim(context.Background(), keep, d)
		require.NoError(t, err)
		kept, err := sibling.Hold(claimed)
		require.NoError(t, err)
		defer kept.Release()
		hold, err := p.Hold(w.claim(p, "a"))
		require.NoError(t, err)
		require.NoError(t, p.Close())
		_, err = w.lead(other, "b", 5*ttl)
		require.ErrorIs(t, err, context.DeadlineExceeded, "guarded work still runs")
		hold.Release()
		_, err = w.lead(other, "b", ttl)
		require.NoError(t, err, "it stopped")
	})
}

func TestR12AHeldClaimIsExtendedAgainAfterNobodyDidForLong(t *testing.T) {
	in(t, func(w world) {
		p := w.process()
		claim := w.claim(p, "a")
		hold, err := p.Hold(claim)
		require.NoError(t, err)
		time.Sleep(2 * ttl) // its lapse would have come
		require.False(t, closed(hold.Lost()))
		again, err := p.Claim(context.Background(), candidate("a"), d)
		require.NoError(t, err, "it is in force: denied would say that it surely isn't")
		require.Equal(t, claim, again)
		hold.Release()
	})
}

func TestR10AnExtensionWaitsForARenewalIfTheSessionMayEndSooner(t *testing.T) {
	in(t, func(w world) {
		p := w.process()
		hold, err := p.Hold(w.claim(p, "a"))
		require.NoError(t, err)
		defer hold.Release()
		p.faults.Inject(storetest.Fault{Kind: storetest.Hang, Ops: []storetest.Op{storetest.Renew}})
		time.Sleep(ttl * 3 / 10)
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_, err = p.Claim(ctx, candidate("a"), d)
		require.ErrorIs(t, err, context.DeadlineExceeded, "the session may end before the claim would")
		p.faults.Heal()
		w.claim(p, "a")
		assert.GreaterOrEqual(t, hold.Deadline().Sub(bootclock.Clock.Now()), d)
	})
}

func TestR12LostIsClosedAtTheDeadlineThoughTheConfirmationHangs(t *testing.T) {
	in(t, func(w world) {
		var stuck *stuckUpdates
		open := w.open
		w.open = func(t testing.TB) store.Driver { stuck = &stuckUpdates{Driver: open(t), until: w.ctx}; return stuck }
		p := w.process()
		hold, err := p.Hold(w.claim(p, "a"))
		require.NoError(t, err)
		p.faults.Inject(storetest.Fault{Kind: storetest.Hang, Ops: []storetest.Op{storetest.Renew}})
		time.Sleep(hold.Deadline().Sub(bootclock.Clock.Now()) + time.Millisecond)
		synctest.Wait()
		require.True(t, closed(hold.Lost()), "the deadline has passed")
		hold.Release()
	})
}

// stuckUpdates is a driver whose updates of candidates hang, whatever their context says.
type stuckUpdates struct {
	store.Driver
	until context.Context
}

func (s *stuckUpdates) Apply(ctx context.Context, writes []store.Write) ([]store.Outcome, error) {
	if w := writes[0]; w.Kind == store.Update && strings.HasPrefix(w.Key, "elections/") {
		<-s.until.Done()
		return nil, errors.New("hung")
	}
	return s.Driver.Apply(ctx, writes)
}

func TestReleaseWithAnEndedContextReleasesAllTheSame(t *testing.T) {
	in(t, func(w world) {
		ended, cancel := context.WithCancel(context.Background())
		cancel()
		p := w.process()
		for range 50 {
			claim := w.claim(p, "a")
			_ = p.Release(ended, claim)
			_, err := p.Hold(claim)
			require.ErrorIs(t, err, claimer.ErrNotHeld, "it was released at once")
		}
	})
}

func TestReleaseAfterCloseSaysThatItIsClosed(t *testing.T) {
	in(t, func(w world) {
		p := w.process()
		claim := w.claim(p, "a")
		require.NoError(t, p.Close())
		require.ErrorIs(t, p.Release(context.Background(), claim), claimer.ErrClosed)
		_, err := p.Claim(context.Background(), candidate("a"), d)
		require.ErrorIs(t, err, claimer.ErrClosed)
		require.ErrorIs(t, p.WaitReleased(context.Background(), candidate("a")), claimer.ErrClosed)
	})
}

func TestR12TheDeadlineOfAHoldStaysOnceTheClaimIsLost(t *testing.T) {
	in(t, func(w world) {
		p := w.process()
		hold, err := p.Hold(w.claim(p, "a"))
		require.NoError(t, err)
		synctest.Wait()
		r := w.records()[0]
		_, err = w.service.Open().Apply(context.Background(), []store.Write{{Kind: store.Delete, Key: r.Key, If: r.ModRev}})
		require.NoError(t, err)
		synctest.Wait()
		require.True(t, closed(hold.Lost()))
		deadline := hold.Deadline()
		time.Sleep(2 * ttl) // the session is renewed all the while
		assert.Equal(t, deadline, hold.Deadline())
		hold.Release()
	})
}

func TestR12NobodyOfAProcessIsLetInBesideItsGuardedWork(t *testing.T) {
	in(t, func(w world) {
		b := &blind{Driver: w.service.Open()}
		w.open = func(testing.TB) store.Driver { return b }
		p := w.process()
		hold, err := p.Hold(w.claim(p, "a"))
		require.NoError(t, err)
		synctest.Wait()
		_, err = p.Claim(context.Background(), candidate("b"), d) // stands in the queue
		require.ErrorIs(t, err, claimer.ErrDenied)
		require.Len(t, w.records(), 2)
		// A read in which the held record is missing, as after an administrator's delete that the
		// holder hasn't heard of yet.
		b.older = &store.Snapshot{Records: w.records()[1:]}
		_, err = p.Claim(context.Background(), candidate("b"), d)
		require.ErrorIs(t, err, claimer.ErrDenied)
		hold.Release()
	})
}

func TestR5WhoWaitsForTheEraHearsThatItNeedNotComeOfAge(t *testing.T) {
	in(t, func(w world) {
		admin := w.service.Open()
		proven, err := admin.Proof(context.Background()) // by a process whose era another one's preceded
		require.NoError(t, err)
		require.True(t, proven)
		p := w.process()
		_, err = p.Claim(context.Background(), candidate("a"), d)
		require.ErrorIs(t, err, claimer.ErrDenied)
		start := bootclock.Clock.Now()
		go func() {
			time.Sleep(ttl / 4)
			snap, err := admin.List(context.Background(), "root/")
			assert.NoError(t, err)
			for _, r := range snap.Records {
				if mark, _, ok := strings.Cut(r.Key, "/ttl/"); ok {
					_, err = admin.Apply(context.Background(), []store.Write{{Kind: store.Create, Key: mark + "/settled"}})
					assert.NoError(t, err)
				}
			}
		}()
		_, err = w.lead(p, "a", ttl)
		require.NoError(t, err)
		assert.Less(t, bootclock.Clock.Now().Sub(start), ttl/2)
	})
}

// timeless is a driver whose watches don't say since when what they tell is known.
type timeless struct{ store.Driver }

func (d timeless) Watch(ctx context.Context, prefix string, emit func(store.Event)) error {
	return d.Driver.Watch(ctx, prefix, func(e store.Event) {
		e.Since = time.Time{}
		emit(e)
	})
}

func TestAClaimLastsAsLongAsItWasGrantedThoughItsLeaseIsLostEarlier(t *testing.T) {
	in(t, func(w world) {
		w.open = func(testing.TB) store.Driver { return timeless{w.service.Open()} }
		p, other := w.process(), w.process()
		w.claim(p, "first")
		synctest.Wait()
		p.faults.Inject(storetest.Fault{Kind: storetest.LateReply, Ops: []storetest.Op{storetest.Watch}})
		w.service.Wipe() // its watch of the era doesn't tell yet
		time.Sleep(3 * ttl)
		claim, err := w.lead(p, "a", 3*ttl)
		require.NoError(t, err)
		granted := bootclock.Clock.Now()
		p.faults.Heal() // it tells now, of a wipe of long ago
		synctest.Wait()
		_, err = p.Hold(claim)
		require.ErrorIs(t, err, claimer.ErrNotHeld, "what can't be told apart from a wipe of now is taken for one")
		_, err = w.lead(other, "b", 3*ttl)
		require.NoError(t, err)
		assert.GreaterOrEqual(t, bootclock.Clock.Now().Sub(granted), d, "nobody told whoever had claimed")
	})
}

func TestAClosedQueueSaysSoThoughGuardedWorkStillRuns(t *testing.T) {
	in(t, func(w world) {
		p := w.process()
		hold, err := p.Hold(w.claim(p, "a"))
		require.NoError(w, err)
		defer hold.Release()
		require.NoError(w, p.Queue.Close())
		_, err = p.Claim(context.Background(), candidate("a"), d)
		require.ErrorIs(w, err, claimer.ErrClosed)
		require.ErrorIs(w, p.WaitReleased(context.Background(), candidate("a")), claimer.ErrClosed)
	})
}
