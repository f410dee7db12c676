package claimer_test

import (
	"context"
	"testing"
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
