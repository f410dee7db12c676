package storetest

import (
	"fmt"
	"slices"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/store"
)

func listOrder(k *trial) {
	d := k.open()
	first := k.create(d, k.root+"z", "")
	k.create(d, k.root+"m/1", "")
	k.create(d, k.root+"a", "")
	outcomes, err := d.Apply(k.ctx, []store.Write{{Kind: store.Create, Key: k.root + "c"}, {Kind: store.Create, Key: k.root + "b"}})
	require.NoError(k, err)
	require.Len(k, outcomes, 2)
	require.NoError(k, outcomes[0].Err)
	k.update(d, k.root+"z", first, "newer")
	snap := k.list(d, k.root)
	require.Len(k, snap.Records, 5)
	assert.Equal(k, []string{"z", "m/1", "a"}, k.names(snap.Records[:3]))
	assert.ElementsMatch(k, []string{"b", "c"}, k.names(snap.Records[3:]))
	assert.True(k, slices.IsSortedFunc(snap.Records, byCreation), "%v", snap.Records)
	a := k.record(d, k.root+"a")
	k.delete(d, a.Key, a.ModRev)
	k.create(d, a.Key, "")
	names := k.keys(d, k.root)
	assert.Equal(k, "a", names[len(names)-1], "one that was created again is the youngest")
}

func prefixRules(k *trial) {
	d := k.open()
	for _, key := range []string{"scout", "scout/1", "scout/2/x", "scout-eu", "scout-eu/1", "scout0", "scou", "SCOUT/1", "a_b/1", "axb/1", "a%25b/1", "a%2525b/1", "azzb/1"} {
		k.create(d, k.root+key, "")
	}
	for prefix, want := range map[string][]string{
		"scout":    {"scout"},
		"scout/":   {"scout/1", "scout/2/x"},
		"scout-eu": {"scout-eu"},
		"scout/2":  {},
		"scout/2/": {"scout/2/x"},
		"SCOUT/":   {"SCOUT/1"},
		"Scout/":   {},
		"sc":       {},
		"a_b/":     {"a_b/1"},
		"a%25b/":   {"a%25b/1"},
		"nothing/": {},
	} {
		assert.Equal(k, want, k.keys(d, k.root+prefix), "List of %q", prefix)
	}
	assert.Len(k, k.keys(d, k.root), 13)
	everything := k.keys(d, "")
	assert.Subset(k, everything, k.keys(d, k.root), "the empty prefix means every key")
}

func listIsLinearizable(k *trial) {
	a, b := k.open(), k.open()
	key := k.root + "a"
	rev := k.create(a, key, "")
	for range 20 {
		require.Equal(k, rev, k.record(b, key).ModRev)
		rev = k.update(b, key, rev, "x")
		require.Equal(k, rev, k.record(a, key).ModRev)
		rev = k.update(a, key, rev, "y")
	}
	id := k.grant(a)
	for i := range 5 {
		k.createOwned(a, fmt.Sprintf("%sowned/%d", k.root, i), id)
		owned, err := a.Owned(k.ctx, id)
		require.NoError(k, err)
		require.Len(k, owned, i+1)
	}
	require.NoError(k, a.Revoke(k.ctx, id))
	require.Empty(k, k.keys(b, k.root+"owned/"))
}

func snapshotRev(k *trial) {
	d, other := k.open(), k.open()
	last := uint64(0)
	covers := func(rev uint64, what string) {
		k.Helper()
		for _, by := range []store.Driver{d, other} {
			snap := k.list(by, k.root+"in/")
			require.GreaterOrEqual(k, snap.Rev, rev, what)
			require.GreaterOrEqual(k, snap.Rev, last, "the revision never runs back")
			last = snap.Rev
			for _, r := range snap.Records {
				require.LessOrEqual(k, r.ModRev, snap.Rev)
			}
		}
	}
	rev := k.create(d, k.root+"in/a", "")
	covers(rev, "after a create")
	covers(k.create(other, k.root+"out/a", ""), "after a create elsewhere")
	rev = k.update(d, k.root+"in/a", rev, "x")
	covers(rev, "after an update")
	covers(k.delete(other, k.root+"in/a", rev), "after a delete")
	id := k.grant(d)
	rev = k.createOwned(d, k.root+"in/b", id)
	require.NoError(k, d.Revoke(k.ctx, id))
	covers(rev+1, "after the end of a session, whose deletes are commits")
}

func manyRecords(k *trial) {
	d, other := k.open(), k.open()
	n := 1000
	if most := d.Limits().MaxRecords; most > 0 {
		n = min(n, most)
	}
	id := k.grant(d)
	for done := 0; done < n; {
		batch := make([]store.Write, 0, 250)
		for ; len(batch) < cap(batch) && done < n; done++ {
			batch = append(batch, store.Write{Kind: store.Create, Key: fmt.Sprintf("%s%04d", k.root, done), Value: []byte(fmt.Sprint(done)), Session: id})
		}
		outcomes, err := d.Apply(k.ctx, batch)
		require.NoError(k, err)
		for _, o := range outcomes {
			require.NoError(k, o.Err)
		}
	}
	snap := k.list(other, k.root)
	require.Len(k, snap.Records, n)
	require.True(k, slices.IsSortedFunc(snap.Records, byCreation))
	w := k.watch(other, k.root)
	require.Len(k, w.told()[0].Records, n, "the watch's snapshot")
	owned, err := d.Owned(k.ctx, id)
	require.NoError(k, err)
	require.Len(k, owned, n)
	require.NoError(k, d.Revoke(k.ctx, id))
	w.until(func() bool { return len(w.view) == 0 }, "the watch to see that all went")
	require.Empty(k, k.keys(other, k.root))
}
