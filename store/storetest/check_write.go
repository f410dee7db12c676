package storetest

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/store"
)

func createNeedsAbsent(k *trial) {
	d, other := k.open(), k.open()
	key := k.root + "a"
	rev := k.create(d, key, "first")
	want := store.Record{Key: key, Value: []byte("first"), CreateRev: rev, ModRev: rev}
	require.True(k, same(want, k.record(other, key)), "want %+v, got %+v", want, k.record(other, key))
	for _, by := range []store.Driver{d, other} {
		k.conflict(by, store.Write{Kind: store.Create, Key: key, Value: []byte("second")})
	}
	require.True(k, same(want, k.record(other, key)), "a refused create changes nothing")
}

func updateNeedsRevision(k *trial) {
	d, other := k.open(), k.open()
	key := k.root + "a"
	k.conflict(d, store.Write{Kind: store.Update, Key: key, If: 0})
	k.conflict(d, store.Write{Kind: store.Update, Key: key, If: 1})
	created := k.create(d, key, "0")
	rev := created
	for i := 1; i <= 3; i++ {
		stale := rev
		rev = k.update(other, key, rev, fmt.Sprint(i))
		require.Greater(k, rev, stale)
		want := store.Record{Key: key, Value: []byte(fmt.Sprint(i)), CreateRev: created, ModRev: rev}
		for _, wrong := range []uint64{0, stale, rev + 1} {
			k.conflict(d, store.Write{Kind: store.Update, Key: key, If: wrong, Value: []byte("no")})
		}
		require.True(k, same(want, k.record(d, key)), "want %+v, got %+v", want, k.record(d, key))
	}
}

func deleteNeedsRevision(k *trial) {
	d, other := k.open(), k.open()
	key := k.root + "a"
	k.conflict(d, store.Write{Kind: store.Delete, Key: key, If: 0})
	created := k.create(d, key, "")
	rev := k.update(d, key, created, "x")
	for _, wrong := range []uint64{0, created, rev + 1} {
		k.conflict(other, store.Write{Kind: store.Delete, Key: key, If: wrong})
	}
	require.True(k, k.exists(d, key))
	require.Greater(k, k.delete(other, key, rev), rev, "a delete is a commit with its own revision")
	require.False(k, k.exists(d, key))
	k.conflict(d, store.Write{Kind: store.Delete, Key: key, If: rev})
}

func recreationIsNew(k *trial) {
	d := k.open()
	key := k.root + "a"
	last := uint64(0)
	for i := range 3 {
		rev := k.create(d, key, fmt.Sprint(i))
		require.Greater(k, rev, last)
		require.Equal(k, rev, k.record(d, key).CreateRev)
		if last > 0 {
			k.conflict(d, store.Write{Kind: store.Update, Key: key, If: last})
		}
		last = k.delete(d, key, rev)
	}
}

func ownerChanges(k *trial) {
	d := k.open()
	a, b := k.grant(d), k.grant(d)
	toB, toNone, fromNone := k.root+"to-b", k.root+"to-none", k.root+"from-none"
	for key, w := range map[string]store.Write{
		toB:      {If: k.createOwned(d, toB, a), Session: b},
		toNone:   {If: k.createOwned(d, toNone, a)},
		fromNone: {If: k.create(d, fromNone, ""), Session: b},
	} {
		before := k.record(d, key)
		w.Kind, w.Key = store.Update, key
		rev := k.done(d, w)
		r := k.record(d, key)
		assert.Equal(k, w.Session, r.Session, key)
		assert.Equal(k, before.CreateRev, r.CreateRev, key)
		assert.Equal(k, rev, r.ModRev, key)
	}
	require.NoError(k, d.Revoke(k.ctx, a))
	assert.ElementsMatch(k, []string{"to-b", "to-none", "from-none"}, k.keys(d, k.root), "the end of the earlier owner touches nothing")
	require.NoError(k, d.Revoke(k.ctx, b))
	assert.Equal(k, []string{"to-none"}, k.keys(d, k.root), "the end of the new owner deletes what is its own")
}

func goneOwnerIsRefused(k *trial) {
	d := k.open()
	id := k.grant(d)
	require.NoError(k, d.Revoke(k.ctx, id))
	rev := k.create(d, k.root+"a", "before")
	k.cannotWrite(d, id, k.root+"a", rev)
	k.delete(d, k.root+"a", rev)
}

func batchOutcomes(k *trial) {
	d := k.open()
	gone := k.grant(d)
	require.NoError(k, d.Revoke(k.ctx, gone))
	key := func(name string) string { return k.root + name }
	there := k.create(d, key("there"), "")
	updated := k.create(d, key("updated"), "")
	deleted := k.create(d, key("deleted"), "")
	stale := k.create(d, key("stale"), "")
	outcomes, err := d.Apply(k.ctx, []store.Write{
		{Kind: store.Create, Key: key("there")},
		{Kind: store.Create, Key: key("new"), Value: []byte("new")},
		{Kind: store.Update, Key: key("stale"), If: stale + 100},
		{Kind: store.Update, Key: key("updated"), If: updated, Value: []byte("now")},
		{Kind: store.Create, Key: key("unowned"), Session: gone},
		{Kind: store.Delete, Key: key("absent"), If: there},
		{Kind: store.Delete, Key: key("deleted"), If: deleted},
	})
	require.NoError(k, err)
	require.Len(k, outcomes, 7)
	for i, want := range []error{store.ErrConflict, nil, store.ErrConflict, nil, store.ErrSessionGone, store.ErrConflict, nil} {
		if want == nil {
			require.NoError(k, outcomes[i].Err, "write %d", i)
			require.Greater(k, outcomes[i].Rev, stale, "write %d", i)
			continue
		}
		require.ErrorIs(k, outcomes[i].Err, want, "write %d", i)
	}
	assert.ElementsMatch(k, []string{"there", "updated", "stale", "new"}, k.keys(d, k.root))
	assert.Equal(k, outcomes[1].Rev, k.record(d, key("new")).ModRev)
	assert.Equal(k, outcomes[3].Rev, k.record(d, key("updated")).ModRev)
	assert.Equal(k, "now", string(k.record(d, key("updated")).Value))
	outcomes, err = d.Apply(k.ctx, nil)
	require.NoError(k, err, "a batch of nothing")
	require.Empty(k, outcomes)
}

func largeBatch(k *trial) {
	d := k.open()
	const n = 300
	writes := make([]store.Write, n)
	for i := range writes {
		writes[i] = store.Write{Kind: store.Create, Key: fmt.Sprintf("%s%03d", k.root, i), Value: []byte(fmt.Sprint(i))}
	}
	outcomes, err := d.Apply(k.ctx, writes)
	require.NoError(k, err)
	require.Len(k, outcomes, n)
	for i := range writes {
		require.NoError(k, outcomes[i].Err)
		writes[i].Kind, writes[i].If = store.Update, outcomes[i].Rev
		switch i % 3 {
		case 0:
			writes[i].If++
		case 1:
			writes[i].Kind = store.Delete
		}
	}
	outcomes, err = d.Apply(k.ctx, writes)
	require.NoError(k, err)
	require.Len(k, outcomes, n)
	for i, o := range outcomes {
		if i%3 == 0 {
			require.ErrorIs(k, o.Err, store.ErrConflict, "write %d", i)
			continue
		}
		require.NoError(k, o.Err, "write %d", i)
	}
	snap := k.list(d, k.root)
	require.Len(k, snap.Records, n-n/3)
	for _, r := range snap.Records {
		require.Equal(k, fmt.Sprintf("%s%03s", k.root, r.Value), r.Key, "each value is at its key")
	}
}

func nonsenseIsRefused(k *trial) {
	d := k.open()
	good := store.Write{Kind: store.Create, Key: k.root + "good"}
	for what, bad := range map[string]store.Write{
		"an empty key":             {Kind: store.Create},
		"no kind":                  {Key: k.root + "bad"},
		"an unknown kind":          {Kind: 99, Key: k.root + "bad"},
		"a key that is there also": {Kind: store.Delete, Key: good.Key, If: 1},
	} {
		for _, batch := range [][]store.Write{{good, bad}, {bad, good}} {
			outcomes, err := d.Apply(k.ctx, batch)
			require.ErrorIs(k, err, store.ErrInvalid, what)
			require.ErrorIs(k, err, store.ErrRefused, what)
			require.Empty(k, outcomes, what)
			require.Empty(k, k.keys(d, k.root), "%s: nothing of the batch is done", what)
		}
	}
}

func anyValue(k *trial) {
	d := k.open()
	binary := make([]byte, 256)
	for i := range binary {
		binary[i] = byte(255 - i)
	}
	size := 256 << 10
	if most := d.Limits().MaxValue; most > 0 {
		size = min(size, most)
	}
	values := map[string][]byte{"nil": nil, "empty": {}, "binary": binary, "text": []byte("zwölf\x00\n'; --%_"), "large": bytes.Repeat([]byte{0xFF, 0, 'x', '\n'}, size/4)}
	w := k.watch(d, k.root)
	for name, value := range values {
		rev := k.create(d, k.root+name, "at first")
		k.done(d, store.Write{Kind: store.Update, Key: k.root + name, If: rev, Value: value})
		require.True(k, bytes.Equal(value, k.record(d, k.root+name).Value), "the value %s comes back as it was", name)
	}
	w.converges(d)
}

func anyKey(k *trial) {
	d := k.open()
	w := k.watch(d, k.root)
	names := []string{"a", "A", "ä", "", ".", "..", "-", "~", "_", "%", "*", "?", "[a]", "a b", "a/b", "a\\b", "'", `"`, "\x00", "\n", "a.b", strings.Repeat("ü", store.MaxName/2), "0", "00"}
	for _, name := range names {
		k.create(d, k.root+store.Escape(name), name)
	}
	require.Len(k, k.keys(d, k.root), len(names))
	for _, name := range names {
		r := k.record(d, k.root+store.Escape(name))
		require.Equal(k, name, string(r.Value), "the record at %q", r.Key)
		k.create(d, r.Key+"/below", "")
		require.Len(k, k.keys(d, r.Key+"/"), 1, "what is below %q", r.Key)
	}
	w.converges(d)
}
