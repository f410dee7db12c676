package claimer_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/claimer"
	"github.com/muster-go/muster/store"
	"github.com/muster-go/muster/store/storetest"
)

// recreated is a driver whose reads show every record of an election as created anew.
type recreated struct{ store.Driver }

func (r recreated) List(ctx context.Context, prefix string) (store.Snapshot, error) {
	snap, err := r.Driver.List(ctx, prefix)
	if prefix == "elections/x/" {
		for i := range snap.Records {
			snap.Records[i].CreateRev++
		}
	}
	return snap, err
}

func TestR9ARecordThatWasCreatedAnewIsNotOnesOwn(t *testing.T) {
	in(t, func(w world) {
		w.open = func(testing.TB) store.Driver { return recreated{w.service.Open()} }
		p := w.process()
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_, err := p.Claim(ctx, candidate("a"), d)
		require.ErrorIs(t, err, claimer.ErrNotHeld, "somebody else may have led between the two")
	})
}

func TestR9AWaiterHearsOfAHandOverThatItsWatchMissed(t *testing.T) {
	in(t, func(w world) {
		holder, waiter := w.process(), w.process()
		claim := w.claim(holder, "holder")
		_, err := waiter.Claim(context.Background(), candidate("waiter"), d)
		require.ErrorIs(t, err, claimer.ErrDenied)
		woken := make(chan error, 1)
		go func() { woken <- waiter.WaitReleased(w.ctx, candidate("waiter")) }()
		synctest.Wait()
		waiter.faults.CutWatches()
		require.NoError(t, holder.Release(context.Background(), claim))
		synctest.Wait()
		require.Empty(t, woken)
		waiter.faults.Heal()
		synctest.Wait()
		require.Len(t, woken, 1)
		require.NoError(t, <-woken)
		w.claim(waiter, "waiter")
	})
}

func TestR11AfterACreateThatWasGivenUpAnotherKeyIsTaken(t *testing.T) {
	in(t, func(w world) {
		p := w.process()
		warm := w.claim(p, "warm-up") // an era and a session
		require.NoError(t, p.Release(context.Background(), warm))
		p.faults.Inject(storetest.Fault{Kind: storetest.DropReply, Ops: []storetest.Op{storetest.Apply}, Calls: 1})
		_, err := p.Claim(context.Background(), candidate("a"), d)
		require.Error(t, err)
		require.NotErrorIs(t, err, claimer.ErrDenied, "the outcome is unknown")
		_, err = p.Claim(context.Background(), candidate("a"), d)
		require.ErrorIs(t, err, claimer.ErrDenied, "behind the ghost")
		require.Len(t, w.records(), 2)
		_, err = w.lead(p, "a", ttl)
		require.NoError(t, err, "the ghost is deleted")
		assert.Len(t, w.records(), 1)
	})
}
