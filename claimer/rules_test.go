package claimer_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/claimer"
	"github.com/muster-go/muster/internal/bootclock"
	"github.com/muster-go/muster/store"
	"github.com/muster-go/muster/store/memstore"
	"github.com/muster-go/muster/store/storetest"
)

const d = ttl * 8 / 10

// world is a bubble with a memory store and its processes.
type world struct {
	*testing.T
	*processes
	service *memstore.Service
	ctx     context.Context // ends with the test
}

func in(t *testing.T, f func(w world)) {
	synctest.Test(t, func(t *testing.T) {
		service := memstore.NewService(bootclock.Clock)
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		f(world{t, &processes{
			ttl:  ttl,
			open: func(testing.TB) store.Driver { return service.Open() },
			all:  map[claimer.Claimer]*process{},
		}, service, ctx})
	})
}

func (w world) process() *process { return w.start(w.T) }

func candidate(holder string) claimer.Candidate { return claimer.Candidate{Name: "x", Holder: holder} }

func (w world) claim(p *process, holder string) claimer.Claim {
	claim, err := p.Claim(context.Background(), candidate(holder), d)
	require.NoError(w, err)
	return claim
}

func (w world) records() []store.Record {
	snap, err := w.service.Open().List(context.Background(), "elections/")
	require.NoError(w, err)
	return snap.Records
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// blind is a driver whose reads of elections can be made to show an older state.
type blind struct {
	store.Driver
	older *store.Snapshot
}

func (b *blind) List(ctx context.Context, prefix string) (store.Snapshot, error) {
	snap, err := b.Driver.List(ctx, prefix)
	if prefix == "elections/x/" && b.older != nil {
		return store.Snapshot{Records: b.older.Records, Rev: snap.Rev}, err
	}
	return snap, err
}

func TestR9LowestIsDecidedOnlyFromAReadThatShowsOnesOwnRecord(t *testing.T) {
	in(t, func(w world) {
		b := &blind{Driver: w.service.Open(), older: &store.Snapshot{}}
		w.open = func(testing.TB) store.Driver { return b }
		p := w.process()
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_, err := p.Claim(ctx, candidate("a"), d)
		require.ErrorIs(t, err, claimer.ErrNotHeld, "a read without one's own record must not make a leader")
		b.older = &store.Snapshot{Records: []store.Record{{Key: "elections/x/other", CreateRev: 1}}}
		ctx, cancel = context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_, err = p.Claim(ctx, candidate("a"), d)
		require.ErrorIs(t, err, claimer.ErrNotHeld)
		require.Empty(t, w.records())
	})
}

func TestR9TheQueueIsInTheOrderOfCommitsWhateverTheKeys(t *testing.T) {
	in(t, func(w world) {
		var order []*process
		for i := range 12 {
			p := w.process()
			order = append(order, p)
			_, err := p.Claim(context.Background(), candidate(fmt.Sprint(i)), d)
			require.Equal(t, i == 0, err == nil)
			go func() { _ = p.WaitReleased(w.ctx, candidate(fmt.Sprint(i))) }()
			synctest.Wait()
		}
		list, err := order[0].Candidates(context.Background(), "x")
		require.NoError(t, err)
		for i, s := range list {
			require.Equal(t, fmt.Sprint(i), s.Holder)
		}
		require.Len(t, list, 12)
	})
}

func TestR9AHandOverCostsOneDeleteAndWakesOneWaiter(t *testing.T) {
	in(t, func(w world) {
		holder := w.process()
		claim := w.claim(holder, "holder")
		var waiters []*process
		woken := 0
		for i := range 20 {
			p := w.process()
			waiters = append(waiters, p)
			_, err := p.Claim(context.Background(), candidate(fmt.Sprint(i)), d)
			require.ErrorIs(t, err, claimer.ErrDenied)
			go func() {
				if p.WaitReleased(w.ctx, candidate(fmt.Sprint(i))) == nil {
					woken++
				}
			}()
			synctest.Wait()
		}
		before := 0
		for _, p := range waiters {
			before += p.faults.Calls(storetest.List)
		}
		require.NoError(t, holder.Release(context.Background(), claim))
		synctest.Wait()
		after := 0
		for _, p := range waiters {
			after += p.faults.Calls(storetest.List)
		}
		assert.Equal(t, 1, woken)
		assert.LessOrEqual(t, after-before, 2, "only the next in the queue reads, its election and the era")
	})
}

func TestR10AnExtensionNeedsNoRequest(t *testing.T) {
	in(t, func(w world) {
		p := w.process()
		w.claim(p, "a")
		synctest.Wait()
		calls, renewals := p.faults.Calls(), p.faults.Calls(storetest.Renew)
		start := bootclock.Clock.Now()
		for range 1000 {
			w.claim(p, "a")
		}
		assert.Equal(t, start, bootclock.Clock.Now(), "nor any time")
		assert.Equal(t, calls, p.faults.Calls())
		assert.Equal(t, renewals, p.faults.Calls(storetest.Renew))
	})
}

func TestR10AClaimBeyondTheTTLIsRefusedWithTheArithmetic(t *testing.T) {
	in(t, func(w world) {
		p := w.process()
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		_, err := p.Claim(ctx, candidate("a"), ttl)
		require.ErrorIs(t, err, claimer.ErrInvalid)
		assert.ErrorContains(t, err, "0.8 × 10s = 8s")
		require.Empty(t, w.records())
	})
}

func TestR10ATTLThatCannotCarryItsClaimsIsRefused(t *testing.T) {
	in(t, func(w world) {
		st, err := store.New(store.Config{Driver: w.service.Open(), Drift: 0.15})
		require.NoError(t, err)
		defer func() { _ = st.Close() }()
		_, err = claimer.New(claimer.Config{Store: st, TTL: 300 * time.Millisecond})
		require.ErrorIs(t, err, claimer.ErrInvalid)
		assert.ErrorContains(t, err, "guarantees 240ms of it")
	})
}

func TestR11AClaimThatNobodyExtendsEndsBeforeItsRecordIsDeleted(t *testing.T) {
	in(t, func(w world) {
		p := w.process()
		claim := w.claim(p, "a")
		hold, err := p.Hold(claim)
		require.NoError(t, err)
		lost := hold.Lost()
		hold.Release()
		p.faults.Inject(storetest.Fault{Kind: storetest.Hang, Ops: []storetest.Op{storetest.Apply}})
		time.Sleep(d - time.Millisecond)
		require.False(t, closed(lost))
		time.Sleep(2 * time.Millisecond)
		synctest.Wait()
		require.True(t, closed(lost), "over, although the delete hangs")
		require.Len(t, w.records(), 1)
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_, err = p.Claim(ctx, candidate("a"), d)
		require.Error(t, err, "claiming again waits until the old record is known gone")
		require.NotErrorIs(t, err, claimer.ErrDenied)
		p.faults.Heal()
		again := w.claim(p, "a")
		require.Greater(t, again.Token, claim.Token, "and takes a new record")
	})
}

func TestR11ResigningAnotherIsARequestThatItHears(t *testing.T) {
	in(t, func(w world) {
		p, other := w.process(), w.process()
		_, err := other.AskResign(context.Background(), "x")
		require.ErrorIs(t, err, claimer.ErrNotHeld)
		claim := w.claim(p, "a")
		hold, err := p.Hold(claim)
		require.NoError(t, err)
		asked, err := other.AskResign(context.Background(), "x")
		require.NoError(t, err)
		require.Equal(t, "a", asked.Holder)
		synctest.Wait()
		require.True(t, closed(hold.ResignAsked()))
		require.False(t, closed(hold.Lost()))
		require.NoError(t, p.Check(context.Background(), claim), "still its claim")
		hold.Release()
	})
}

func TestR12AHeldClaimOutlivesTheClaimerOfTheTracker(t *testing.T) {
	in(t, func(w world) {
		p, other := w.process(), w.process()
		claim := w.claim(p, "a")
		hold, err := p.Hold(claim)
		require.NoError(t, err)
		time.Sleep(20 * ttl) // nobody extends it
		require.NoError(t, other.Check(context.Background(), claim))
		require.Positive(t, hold.Deadline().Sub(bootclock.Clock.Now()))
		hold.Release()
		time.Sleep(time.Second)
		require.ErrorIs(t, other.Check(context.Background(), claim), claimer.ErrNotHeld)
	})
}

func TestR12AtCloseWhatGuardedWorkHoldsIsNotRevoked(t *testing.T) {
	in(t, func(w world) {
		p := w.process()
		claim := w.claim(p, "a")
		hold, err := p.Hold(claim)
		require.NoError(t, err)
		require.NoError(t, p.Close())
		require.True(t, closed(hold.Lost()))
		require.Zero(t, p.faults.Calls(storetest.Revoke))
		require.Len(t, w.records(), 1, "only the TTL lets others in")
		hold.Release()
	})
}

func TestR13TwoTrackersOfOneNameNeverExtendEachOther(t *testing.T) {
	in(t, func(w world) {
		p, other := w.process(), w.process()
		w.claim(p, "a#1")
		_, err := other.Claim(context.Background(), candidate("a#1"), d)
		require.ErrorIs(t, err, claimer.ErrDenied, "the very same name in another process")
		_, err = p.Claim(context.Background(), candidate("a#2"), d)
		require.ErrorIs(t, err, claimer.ErrDenied, "another incarnation in the same process")
	})
}

func TestAWipeUnderAHolderLowersItAtOnceAndNobodyLeadsBeforeItsDeadline(t *testing.T) {
	in(t, func(w world) {
		p, other := w.process(), w.process()
		claim := w.claim(p, "a")
		hold, err := p.Hold(claim)
		require.NoError(t, err)
		deadline := hold.Deadline()
		w.service.Wipe()
		synctest.Wait()
		require.True(t, closed(hold.Lost()))
		hold.Release()
		var denied *claimer.DeniedError
		for {
			claim2, err := other.Claim(context.Background(), candidate("b"), d)
			if err == nil {
				assert.True(t, bootclock.Clock.Now().After(deadline))
				assert.Greater(t, claim2.Token, claim.Token)
				break
			}
			if errors.As(err, &denied) && denied.Holder == nil {
				assert.Contains(t, denied.Reason, "nobody leads for")
				assert.Positive(t, denied.AtMost)
			}
			require.NoError(t, other.WaitReleased(context.Background(), candidate("b")))
		}
	})
}

func TestAHolderHearsThatItsRecordWasDeleted(t *testing.T) {
	in(t, func(w world) {
		p := w.process()
		claim := w.claim(p, "a")
		hold, err := p.Hold(claim)
		require.NoError(t, err)
		synctest.Wait()
		r := w.records()[0]
		_, err = w.service.Open().Apply(context.Background(), []store.Write{{Kind: store.Delete, Key: r.Key, If: r.ModRev}})
		require.NoError(t, err)
		synctest.Wait()
		require.True(t, closed(hold.Lost()))
		hold.Release()
		_, err = p.Claim(context.Background(), candidate("a"), d)
		if errors.Is(err, claimer.ErrDenied) { // once: it was lost
			_, err = p.Claim(context.Background(), candidate("a"), d)
		}
		require.NoError(t, err)
	})
}

func TestACreateThatCommitsLateNeverLeads(t *testing.T) {
	in(t, func(w world) {
		p, other := w.process(), w.process()
		_, err := p.Candidates(context.Background(), "x")
		require.NoError(t, err)
		w.claim(p, "warm-up") // a session
		warm, _, err := p.Holder(context.Background(), "x")
		require.NoError(t, err)
		require.NoError(t, p.Release(context.Background(), warm.Claim))
		p.faults.Inject(storetest.Fault{Kind: storetest.LateReply, Ops: []storetest.Op{storetest.Apply}, Calls: 1})
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_, err = p.Claim(ctx, candidate("a"), d)
		require.Error(t, err)
		p.faults.Heal() // the ghost commits, in front of everybody
		synctest.Wait()
		ctx, cancel = context.WithTimeout(context.Background(), ttl)
		defer cancel()
		for {
			_, err = other.Claim(ctx, candidate("b"), d)
			if err == nil {
				break
			}
			require.ErrorIs(t, err, claimer.ErrDenied)
			require.NoError(t, other.WaitReleased(ctx, candidate("b")))
		}
		require.Len(t, w.records(), 1)
	})
}

func TestReadersSeeTheElectionWithoutJoiningIt(t *testing.T) {
	in(t, func(w world) {
		p, reader := w.process(), w.process()
		views := make(chan claimer.View, 100)
		go func() { _ = reader.Watch(w.ctx, "x", func(v claimer.View) { views <- v }) }()
		require.Empty(t, (<-views).Candidates)
		claim, err := p.Claim(context.Background(), claimer.Candidate{Name: "x", Holder: "a#1", Attributes: map[string]string{"port": "80"}}, d)
		require.NoError(t, err)
		synctest.Wait()
		var last claimer.View
		for len(views) > 0 {
			last = <-views
		}
		require.Len(t, last.Candidates, 1)
		s := last.Candidates[0]
		assert.True(t, s.Confirmed)
		assert.Equal(t, claim, s.Claim)
		assert.Equal(t, ttl, s.TTL)
		assert.Equal(t, "a", claimer.DisplayHolder(s.Holder))
		elections, err := reader.Elections(context.Background())
		require.NoError(t, err)
		require.Len(t, elections, 1)
		assert.Equal(t, "x", elections[0].Name)
		assert.Equal(t, claim, elections[0].Holder.Claim)
		assert.Zero(t, reader.faults.Calls(storetest.Grant), "no session")
		w.service.Stop()
		stale := <-views
		assert.Error(t, stale.Stale)
		assert.Len(t, stale.Candidates, 1, "the last known state")
		w.service.Start()
	})
}
