package store_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/internal/bootclock"
	"github.com/muster-go/muster/store"
)

// The read that follows comes after others have written, and shows no revision that is too low.
func TestR5AFallThatOnlyTheWatchSawBeginsANewEra(t *testing.T) {
	in(t, func(w world) {
		s, h := w.open(store.Config{})
		x, l := w.lease(s)
		older := w.service.Snapshot()
		_, err := decide(w, l, "a")
		require.NoError(w, err)
		known, err := s.List(context.Background(), "root/")
		require.NoError(w, err)

		synctest.Wait() // the watch has begun
		until := make(chan struct{})
		h.set(hang(until, "list"))
		w.service.Restore(older)
		synctest.Wait()
		require.True(w, isClosed(l.Lost()), "the watch told of it")
		for rev, i := uint64(0), 0; rev <= known.Rev; i++ {
			outcomes, err := w.service.Open().Apply(context.Background(), []store.Write{{Kind: store.Create, Key: fmt.Sprint("other/", i)}})
			require.NoError(w, err)
			rev = outcomes[0].Rev
		}
		h.set(nil)
		close(until)
		ctx, cancel := context.WithTimeout(context.Background(), ttl)
		defer cancel()
		again, err := x.Lease(ctx)
		require.NoError(w, err)
		_, err = decide(w, again, "z")
		var young *store.YoungError
		require.ErrorAs(w, err, &young, "a holder whose record is lost may not have heard of it")
	})
}

// deaf is a driver whose watches tell nothing, and through which, after a while, nothing but renewals
// gets.
type deaf struct {
	store.Driver
	after atomic.Bool
}

func (d *deaf) List(ctx context.Context, prefix string) (store.Snapshot, error) {
	if d.after.Load() {
		<-ctx.Done()
		return store.Snapshot{}, ctx.Err()
	}
	return d.Driver.List(ctx, prefix)
}

func (*deaf) Watch(ctx context.Context, _ string, _ func(store.Event)) error {
	<-ctx.Done()
	return ctx.Err()
}

// The store that came back has the session, but not the record that was created after the snapshot.
func TestR5ALeaseThatARestoredStoreGoesOnToRenewEndsBeforeAnybodyElseLeads(t *testing.T) {
	in(t, func(w world) {
		connection := &deaf{Driver: w.service.Open()}
		holder, err := store.New(store.Config{Driver: connection})
		require.NoError(w, err)
		w.Cleanup(func() { _ = holder.Close() })
		_, l := w.lease(holder)
		other, _ := w.open(store.Config{})
		x, _ := w.lease(other)
		older := w.service.Snapshot()
		_, err = decide(w, l, "a")
		require.NoError(w, err)
		_, err = decide(w, must(x.Lease(context.Background())), "b") // knows how far the store has come
		require.NoError(w, err)
		time.Sleep(ttl / 4)

		connection.after.Store(true)
		w.service.Restore(older)
		ctx, cancel := context.WithTimeout(context.Background(), 10*ttl)
		defer cancel()
		for {
			next, err := x.Lease(ctx)
			require.NoError(w, err)
			if _, _, err = next.Decide(ctx, prefix); err == nil {
				break
			}
			time.Sleep(ttl / 50)
		}
		require.False(w, l.Valid(), "two may lead")
	})
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func TestADeadlineThatWasToldIsKeptThoughTheLeaseIsLostEarlier(t *testing.T) {
	in(t, func(w world) {
		s, h := w.open(store.Config{})
		_, l := w.lease(s)
		synctest.Wait() // the watch has begun
		deadline := l.Deadline()
		snap, err := s.List(context.Background(), "root/era")
		require.NoError(w, err)
		_, err = h.Apply(context.Background(), []store.Write{{Kind: store.Delete, Key: "root/era", If: snap.Records[0].ModRev}})
		require.NoError(w, err)
		synctest.Wait()
		require.True(w, isClosed(l.Lost()))
		time.Sleep(deadline.Sub(bootclock.Clock.Now()) - time.Millisecond)
		require.Zero(w, h.count("revoke"), "revoked before the deadline that was told")
		time.Sleep(time.Second)
		require.Equal(w, 1, h.count("revoke"))
	})
}

// lagging is a driver whose watches tell everything anew when they are asked to, from a read of before.
type lagging struct {
	store.Driver
	again chan chan struct{} // read; and, once that is closed, tell
}

func (l *lagging) Watch(ctx context.Context, prefix string, emit func(store.Event)) error {
	for kind := store.EventSnapshot; ; kind = store.EventReset {
		var tell chan struct{}
		if kind == store.EventReset {
			select {
			case tell = <-l.again:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		asked := bootclock.Clock.Now()
		snap, err := l.List(ctx, prefix)
		if err != nil {
			return err
		}
		if tell != nil {
			<-tell
		}
		emit(store.Event{Kind: kind, Records: snap.Records, Rev: snap.Rev, Since: asked})
	}
}

// After each outage watches and decisions read at the same time.
func TestR5AWatchThatReadBeforeOthersDidIsNotTakenForARestore(t *testing.T) {
	in(t, func(w world) {
		d := &lagging{Driver: w.service.Open(), again: make(chan chan struct{})}
		s, err := store.New(store.Config{Driver: d})
		require.NoError(w, err)
		w.Cleanup(func() { _ = s.Close() })
		_, l := w.lease(s)
		for i := range 300 { // decisions come and go while the watch reads
			time.Sleep(time.Second / 100)
			tell := make(chan struct{})
			d.again <- tell
			synctest.Wait() // it has read
			for j := range i%3 + 1 {
				time.Sleep(time.Second / 100)
				_, err = decide(w, l, fmt.Sprint("c", i, "-", j))
				require.NoError(w, err)
			}
			close(tell)
			synctest.Wait()
			require.True(w, l.Valid(), "round %d", i)
			require.False(w, isClosed(l.Lost()), "round %d", i)
		}
	})
}
