package etcdutil_test

import (
	"context"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/compat/etcdutil"
	"github.com/muster-go/muster/store"
)

// oneEyed is a driver whose watches don't tell of the candidate "one".
type oneEyed struct{ store.Driver }

func (o oneEyed) Watch(ctx context.Context, prefix string, emit func(store.Event)) error {
	hidden := func(r store.Record) bool { return string(r.Value) == "one" }
	return o.Driver.Watch(ctx, prefix, func(e store.Event) {
		e.Records = slices.DeleteFunc(slices.Clone(e.Records), hidden)
		if !hidden(e.Record) {
			emit(e)
		}
	})
}

func TestR9LowestIsDecidedFromAReadWhateverTheWatchTells(t *testing.T) {
	in(t, func(w world) {
		one, _ := w.stand("one", nil)
		two := etcdutil.NewElectionAsyncOn(oneEyed{w.driver()}, conf("two", nil))
		for range 100 {
			time.Sleep(100 * time.Millisecond)
			synctest.Wait()
			require.False(t, two.IsLeader())
		}
		one.Close()
		time.Sleep(2 * time.Second)
		assert.True(t, two.IsLeader())
		two.Close()
	})
}

// blind is a driver whose reads show no candidates while it is.
type blind struct {
	store.Driver
	on *atomic.Bool
}

func (b blind) List(ctx context.Context, prefix string) (store.Snapshot, error) {
	snap, err := b.Driver.List(ctx, prefix)
	if b.on.Load() {
		snap.Records = nil
	}
	return snap, err
}

func TestR9WhoDoesntReadItsOwnKeyDoesntLead(t *testing.T) {
	in(t, func(w world) {
		var on atomic.Bool
		on.Store(true)
		e := etcdutil.NewElectionAsyncOn(blind{w.driver(), &on}, conf("me", nil))
		for range 100 {
			time.Sleep(100 * time.Millisecond)
			synctest.Wait()
			require.False(t, e.IsLeader())
		}
		on.Store(false)
		time.Sleep(2 * time.Second)
		assert.True(t, e.IsLeader())
		e.Close()
	})
}
