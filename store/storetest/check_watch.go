package storetest

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/store"
)

func snapshotThenDeltas(k *trial) {
	d, other := k.open(), k.open()
	a := k.create(d, k.root+"a", "1")
	b := k.create(d, k.root+"b", "1")
	w := k.watch(other, k.root)
	first := w.told()[0]
	require.Equal(k, store.EventSnapshot, first.Kind)
	require.Equal(k, []string{"a", "b"}, k.names(first.Records))
	require.GreaterOrEqual(k, first.Rev, b)

	// One after another, so that the watch can't skip any.
	c := k.create(d, k.root+"c", "1")
	w.sees(k.root+"c", true)
	a = k.update(d, k.root+"a", a, "2")
	w.until(func() bool { return w.view[k.root+"a"].ModRev == a }, "the watch to see the update")
	gone := k.delete(d, k.root+"b", b)
	w.sees(k.root+"b", false)
	b = k.create(d, k.root+"b", "2")
	w.sees(k.root+"b", true)

	deltas := w.told()[1:]
	require.Len(k, deltas, 4)
	for i, want := range []struct {
		kind store.EventKind
		key  string
		rev  uint64
	}{{store.EventPut, "c", c}, {store.EventPut, "a", a}, {store.EventDelete, "b", gone}, {store.EventPut, "b", b}} {
		e := deltas[i]
		assert.Equal(k, want.kind, e.Kind, "event %d", i)
		assert.Equal(k, k.root+want.key, e.Record.Key, "event %d", i)
		if e.Kind == store.EventDelete {
			assert.Equal(k, want.rev, e.Rev, "a delete has the revision of its commit")
		} else {
			assert.True(k, same(k.record(d, e.Record.Key), e.Record), "event %d: %+v", i, e.Record)
			assert.Equal(k, want.rev, e.Record.ModRev, "event %d", i)
		}
	}
}

func watchOneKey(k *trial) {
	d, other := k.open(), k.open()
	k.create(d, k.root+"scout-eu", "")
	k.create(d, k.root+"scout/1", "")
	w := k.watch(other, k.root+"scout")
	require.Empty(k, w.told()[0].Records)
	k.create(d, k.root+"scout-us", "")
	k.create(d, k.root+"scout/2", "")
	rev := k.create(d, k.root+"scout", "")
	w.sees(k.root+"scout", true)
	k.delete(d, k.root+"scout", rev)
	w.sees(k.root+"scout", false)
	require.Len(k, w.told(), 3)
	w.converges(d)
}

func watchOnePrefix(k *trial) {
	d, other := k.open(), k.open()
	outside := []string{"x", "x-other/1", "X/1", "xx/1", "x_y"}
	for _, key := range outside {
		k.create(d, k.root+key, "")
	}
	k.create(d, k.root+"x/1", "")
	w := k.watch(other, k.root+"x/")
	require.Equal(k, []string{"x/1"}, k.names(w.told()[0].Records))
	for _, key := range outside {
		r := k.record(d, k.root+key)
		k.delete(d, r.Key, r.ModRev)
		k.create(d, r.Key, "again")
	}
	k.create(d, k.root+"x/2/deep", "")
	w.sees(k.root+"x/2/deep", true)
	require.Len(k, w.told(), 2)
	w.converges(d)
}

func watchConverges(k *trial) {
	by := k.open()
	w := k.watch(k.open(), k.root)
	k.race(func(i int, d store.Driver) error {
		id, err := d.Grant(k.ctx, k.longTTL(d))
		if err != nil {
			return err
		}
		for j := range 15 {
			key := fmt.Sprintf("%s%d-%d", k.root, i, j%5)
			snap, err := d.List(k.ctx, key)
			if err != nil {
				return err
			}
			next := store.Write{Kind: store.Create, Key: key, Value: []byte(fmt.Sprint(j))}
			if len(snap.Records) > 0 {
				next.Kind, next.If = store.Update, snap.Records[0].ModRev
				if j%4 == 0 {
					next.Kind = store.Delete
				}
			}
			if j%3 == 0 && next.Kind != store.Delete {
				next.Session = id
			}
			if _, err := k.attempt(d, next); err != nil {
				return err
			}
		}
		if i%2 == 0 {
			return d.Revoke(k.ctx, id)
		}
		return nil
	})
	w.converges(by)
	require.NotEmpty(k, k.keys(by, k.root))
}

func watchSeesRevoke(k *trial) {
	d, other := k.open(), k.open()
	id := k.grant(d)
	w := k.watch(other, k.root)
	for i := range 10 {
		k.createOwned(d, fmt.Sprintf("%s%d", k.root, i), id)
	}
	k.create(d, k.root+"durable", "")
	w.sees(k.root+"durable", true)
	require.NoError(k, d.Revoke(k.ctx, id))
	w.until(func() bool { return len(w.view) == 1 }, "the watch to see the session's records go")
	w.converges(other)
}

func slowReceiver(k *trial) {
	d := k.open()
	release := make(chan struct{})
	var first atomic.Bool
	failed := make(chan error, 1)
	slow := k.beginWatch(d, k.root, func(store.Event) {
		if first.CompareAndSwap(false, true) {
			_, err := d.List(k.ctx, k.root)
			failed <- err
			select {
			case <-release:
			case <-k.ctx.Done():
			}
		}
	})
	require.NoError(k, <-failed, "List inside emit")
	fast := k.watch(d, k.root)
	for i := range 20 {
		k.create(d, fmt.Sprintf("%s%02d", k.root, i), "")
	}
	fast.converges(d)
	require.Len(k, slow.told(), 1, "emit is called one at a time")
	close(release)
	slow.converges(d)
}

func watchEndsWithContext(k *trial) {
	d := k.open()
	w := k.watch(d, k.root)
	w.stop()
	_ = w.returns()
	stop := make(chan context.CancelFunc, 1)
	inside := k.beginWatch(d, k.root, func(store.Event) { (<-stop)() })
	stop <- inside.stop
	again := k.create(d, k.root+"a", "")
	_ = inside.returns()
	k.update(d, k.root+"a", again, "x")
	fresh := k.watch(d, k.root)
	fresh.converges(d)
	assert.Len(k, w.told(), 1, "nothing is told after the end")

	ctx, cancel := context.WithCancel(k.ctx)
	cancel()
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = d.Watch(ctx, k.root, func(store.Event) {})
	}()
	k.eventually(func() bool {
		select {
		case <-done:
			return true
		default:
			return false
		}
	}, "a watch whose context was done before it began to return")
}

func quietWatchIsFree(k *trial) {
	k.need(k.h.Requests != nil, "Requests counter")
	d := k.open()
	k.createOwned(d, k.root+"a", k.grant(d))
	const steps = 20
	period := max(k.h.TTL, steps*k.h.Poll)
	allowed := 2
	if k.h.Poll > 0 {
		allowed += int(2 * period / k.h.Poll)
	}
	quiet := func(watches int) {
		k.Helper()
		before := k.h.Requests(d)
		start := k.now()
		for range steps {
			k.pass(period / steps)
			moment()
		}
		took := k.now().Sub(start)
		most := allowed
		if k.h.Poll > 0 {
			most = max(most, 2+int(2*took/k.h.Poll))
		}
		assert.LessOrEqual(k, k.h.Requests(d)-before, most, "requests in %v of %d watches on which nothing happened", took, watches)
	}
	watches := []*watching{k.watch(d, k.root)}
	quiet(1)
	for i := range 20 {
		watches = append(watches, k.watch(d, fmt.Sprintf("%s%d", k.root, i)), k.watch(d, fmt.Sprintf("%sdir%d/", k.root, i)))
	}
	quiet(len(watches))
	for _, w := range watches {
		assert.Len(k, w.told(), 1, "a watch on which nothing happened tells nothing")
	}
}
