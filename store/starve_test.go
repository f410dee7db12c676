package store_test

import (
	"context"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/internal/bootclock"
	"github.com/muster-go/muster/store"
	"github.com/muster-go/muster/store/storetest"
)

// faulty gives a process's view of the store through injected faults.
func (w world) faulty() (*store.Store, *storetest.Faults) {
	f := storetest.WithFaults(w.service.Open(), bootclock.Clock)
	s, err := store.New(store.Config{Driver: f})
	require.NoError(w, err)
	w.Cleanup(func() { _ = s.Close() })
	return s, f
}

func TestR3RevocationsThatHangForEverAreNotInTheWayOfAGrant(t *testing.T) {
	in(t, func(w world) {
		s, f := w.faulty()
		x, l := w.lease(s)
		f.Inject(storetest.Fault{Kind: storetest.Hang, Ops: []storetest.Op{storetest.Revoke}})
		for range 3 {
			f.Inject(storetest.Fault{Kind: storetest.Fail, Ops: []storetest.Op{storetest.Renew}})
			<-l.Lost()
			f.Heal(storetest.Renew)
			time.Sleep(10 * ttl) // revoking the lost one goes on
			ctx, cancel := context.WithTimeout(context.Background(), ttl)
			var err error
			l, err = x.Lease(ctx)
			cancel()
			require.NoError(t, err)
		}
	})
}

func TestR3ASessionRecoversThoughTheCallsOfAnOutageNeverReturn(t *testing.T) {
	in(t, func(w world) {
		s, f := w.faulty()
		x, l := w.lease(s)
		everything := []storetest.Op{storetest.Grant, storetest.Renew, storetest.Revoke, storetest.Apply, storetest.List, storetest.Owned}
		for _, op := range everything { // the next ten of each hang for ever
			f.Inject(storetest.Fault{Kind: storetest.Hang, Ops: []storetest.Op{op}, Calls: 10})
		}
		<-l.Lost()
		ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
		defer cancel()
		_, err := x.Lease(ctx)
		require.NoError(t, err)
	})
}

func TestR3RenewalsThatHangForEverDoNotPileUp(t *testing.T) {
	in(t, func(w world) {
		s, f := w.faulty()
		_, _ = w.lease(s)
		f.Inject(storetest.Fault{Kind: storetest.Hang, Ops: []storetest.Op{storetest.Renew}})
		time.Sleep(20 * ttl)
		before := runtime.NumGoroutine()
		time.Sleep(200 * ttl)
		synctest.Wait()
		assert.LessOrEqual(t, runtime.NumGoroutine()-before, 100)
	})
}

func TestR5TheLongestTTLOfAnotherIsRememberedOverAWipe(t *testing.T) {
	in(t, func(w world) {
		long, _ := w.open(store.Config{})
		x, err := long.Session(10 * ttl)
		require.NoError(t, err)
		_, err = x.Lease(context.Background())
		require.NoError(t, err)
		s, _ := w.open(store.Config{})
		y, l := w.lease(s)
		w.service.Stop() // the one with the long TTL is never heard of again, and leads until its deadline
		time.Sleep(time.Millisecond)
		require.NoError(t, long.Close())
		w.service.Wipe()
		w.service.Start()
		<-l.Lost()
		l, err = y.Lease(context.Background())
		require.NoError(t, err)
		_, err = decide(w, l, "a")
		var young *store.YoungError
		require.ErrorAs(t, err, &young)
		assert.Greater(t, young.Wait, 9*ttl)
	})
}

func TestR5AFallThatOnlyAReadSawBeginsANewEra(t *testing.T) {
	in(t, func(w world) {
		s, f := w.faulty()
		f.Inject(storetest.Fault{Kind: storetest.Hang, Ops: []storetest.Op{storetest.Watch}})
		x, l := w.lease(s)
		older := w.service.Snapshot()
		highest, err := decide(w, l, "a")
		require.NoError(t, err)
		w.service.Restore(older)
		_, _, err = l.Decide(context.Background(), prefix)
		require.ErrorIs(t, err, store.ErrSessionGone)
		require.False(t, l.Valid())
		l, err = x.Lease(context.Background())
		require.NoError(t, err)
		token, err := decide(w, l, "b")
		var young *store.YoungError
		require.ErrorAs(t, err, &young, "a holder whose record is lost may not have heard of it")
		assert.Greater(t, token, highest)
	})
}

func TestR5AWriteOfTheEraThatCommitsAfterAWipeChangesNothing(t *testing.T) {
	in(t, func(w world) {
		w.service.Wipe() // no proof
		s, f := w.faulty()
		x, l := w.lease(s)
		_, err := l.Create(context.Background(), prefix+"a", nil)
		require.NoError(t, err)
		time.Sleep(ttl + ttl/50)
		f.Inject(storetest.Fault{Kind: storetest.LateReply, Ops: []storetest.Op{storetest.Apply}})
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_, _, err = l.Decide(ctx, prefix) // says that the era is of age, too late
		require.Error(t, err)
		x.Close() // as a witness of greater tokens it could begin an era of its own
		w.service.Wipe()
		other, _ := w.open(store.Config{}) // its era stands at the same revision as the one before
		_, lo := w.lease(other)
		f.Heal()
		synctest.Wait()
		late, _ := w.open(store.Config{})
		_, ll := w.lease(late)
		var young *store.YoungError
		_, _, err = ll.Decide(context.Background(), prefix)
		require.ErrorAs(t, err, &young, "a holder from before the wipe may still lead")
		require.True(t, lo.Valid(), "%v", lo.Err())
	})
}
