package storetest

import (
	"context"
	"errors"
	"sync"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/muster-go/muster/store"
)

func closeEndsEverything(k *trial) {
	d, other := k.open(), k.open()
	k.createOwned(d, k.root+"owned", k.grant(d))
	watches := []*watching{k.watch(d, k.root), k.watch(d, k.root+"owned"), k.watch(d, "")}
	kept := k.watch(other, k.root)
	var calls sync.WaitGroup
	var ends [4]error
	for i := range ends {
		calls.Go(func() {
			for ends[i] == nil {
				_, ends[i] = d.List(k.ctx, k.root)
			}
		})
	}
	require.NoError(k, d.Close())
	require.NoError(k, d.Close(), "a second time")
	for _, w := range watches {
		require.ErrorIs(k, w.returns(), store.ErrClosed)
	}
	calls.Wait()
	for _, err := range ends {
		require.False(k, errors.Is(err, context.DeadlineExceeded), "a call was still under way: %v", err)
	}
	assert.Equal(k, []string{"owned"}, k.keys(other, k.root), "the session isn't revoked")
	k.create(other, k.root+"later", "")
	kept.sees(k.root+"later", true)
}

func closedCalls(k *trial) {
	d := k.open()
	id := k.grant(d)
	require.NoError(k, d.Close())
	calls := map[string]func() error{
		"Proof":  func() error { _, err := d.Proof(k.ctx); return err },
		"Grant":  func() error { _, err := d.Grant(k.ctx, k.longTTL(d)); return err },
		"Renew":  func() error { return d.Renew(k.ctx, id) },
		"Revoke": func() error { return d.Revoke(k.ctx, id) },
		"Owned":  func() error { _, err := d.Owned(k.ctx, id); return err },
		"Apply": func() error {
			_, err := d.Apply(k.ctx, []store.Write{{Kind: store.Create, Key: k.root + "a"}})
			return err
		},
		"List": func() error { _, err := d.List(k.ctx, k.root); return err },
		"Watch": func() error {
			return d.Watch(k.ctx, k.root, func(store.Event) { k.Errorf("a watch of a closed driver told something") })
		},
	}
	for name, call := range calls {
		err := call()
		assert.ErrorIs(k, err, store.ErrClosed, name)
		assert.ErrorIs(k, err, store.ErrRefused, name)
	}
	assert.False(k, k.exists(k.open(), k.root+"a"))
}

func closeLeaksNothing(k *trial) {
	before := goleak.IgnoreCurrent()
	for range 2 {
		d := k.h.Open(k.TB)
		id := k.grant(d)
		k.createOwned(d, k.root+store.Escape(string(id)), id)
		w, stopped := k.watch(d, k.root), k.watch(d, k.root)
		stopped.stop()
		_ = stopped.returns()
		k.list(d, k.root)
		require.NoError(k, d.Revoke(k.ctx, id))
		require.NoError(k, d.Close())
		_ = w.returns()
	}
	var leak error
	defer func() {
		if k.Failed() {
			k.Logf("left behind: %v", leak)
		}
	}()
	k.eventually(func() bool { leak = goleak.Find(before); return leak == nil }, "the goroutines of closed drivers to end")
}
