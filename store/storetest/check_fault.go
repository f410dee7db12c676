package storetest

import (
	"context"
	"fmt"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/store"
)

// disturb changes the root behind a watch's back: one record new, one updated, one deleted and one
// deleted and created again.
func (k *trial) disturb(by store.Driver, round int) {
	k.Helper()
	for _, r := range k.list(by, k.root).Records {
		switch r.Key {
		case k.root + "updated":
			k.update(by, r.Key, r.ModRev, fmt.Sprint(round))
		case k.root + "deleted", k.root + "again":
			k.delete(by, r.Key, r.ModRev)
		}
	}
	k.create(by, k.root+"again", fmt.Sprint(round))
	k.create(by, fmt.Sprintf("%snew-%d", k.root, round), "")
}

// undisturbed makes the records that disturb changes.
func (k *trial) undisturbed(by store.Driver) {
	k.Helper()
	for _, name := range []string{"kept", "updated", "deleted", "again"} {
		k.create(by, k.root+name, "")
	}
}

// broken applies a lever to a client until the function that it gives, or the end of the check.
func (k *trial) broken(lever func(d store.Driver), d store.Driver) (heal func()) {
	lever(d)
	healed := false
	heal = func() {
		if !healed {
			healed = true
			k.h.Heal(k.TB, d)
		}
	}
	k.Cleanup(heal)
	return heal
}

func (k *trial) cut(d store.Driver) func() {
	return k.broken(func(d store.Driver) { k.h.Cut(k.TB, d) }, d)
}

// back waits until the store can be used again.
func (k *trial) back(d store.Driver) {
	k.Helper()
	k.eventually(func() bool { _, err := d.List(k.ctx, k.root); return err == nil }, "List to work again")
}

func watchSurvivesCut(k *trial) {
	k.need(k.h.Cut != nil, "Cut lever")
	d, other := k.open(), k.open()
	k.undisturbed(other)
	id := k.grant(d)
	k.createOwned(d, k.root+"owned", id)
	w := k.watch(d, k.root)
	for round := range 2 {
		heal := k.cut(d)
		ctx, cancel := context.WithTimeout(k.ctx, time.Second)
		err := d.Renew(ctx, id)
		cancel()
		require.Error(k, err, "Renew of a client that is cut off")
		require.NotErrorIs(k, err, store.ErrGone, "a client that is cut off knows nothing of its session's end")
		k.disturb(other, round)
		w.until(func() bool { return w.stale }, "the watch to say EventStale")
		heal()
		w.converges(other)
	}
	k.back(d)
	require.NoError(k, d.Renew(k.ctx, id))
	k.create(other, k.root+"later", "")
	w.sees(k.root+"later", true)
}

func watchSurvivesFreeze(k *trial) {
	k.need(k.h.Freeze != nil, "Freeze lever")
	d, other := k.open(), k.open()
	k.undisturbed(other)
	w := k.watch(d, k.root)
	for round := range 2 {
		heal := k.broken(func(d store.Driver) { k.h.Freeze(k.TB, d) }, d)
		k.disturb(other, round)
		k.pass(k.h.TTL / 4)
		heal()
		w.converges(other)
	}
	k.create(other, k.root+"later", "")
	w.sees(k.root+"later", true)
}

func watchBegunDuringCut(k *trial) {
	k.need(k.h.Cut != nil, "Cut lever")
	d, other := k.open(), k.open()
	k.undisturbed(other)
	heal := k.cut(d)
	w := k.beginWatch(d, k.root, nil)
	k.disturb(other, 0)
	k.pass(k.h.TTL / 10)
	moment()
	heal()
	w.converges(other)
}

func watchSurvivesRestart(k *trial) {
	k.need(k.h.Restart != nil, "Restart lever")
	d, other := k.open(), k.open()
	k.undisturbed(other)
	id := k.grant(d)
	k.createOwned(d, k.root+"owned", id)
	w := k.watch(d, k.root)
	before := k.list(other, k.root)
	for round := range 2 {
		k.h.Restart(k.TB)
		k.back(d)
		k.back(other)
		if round == 0 {
			after := k.list(other, k.root)
			require.Equal(k, k.names(before.Records), k.names(after.Records), "a restart loses nothing")
			require.GreaterOrEqual(k, after.Rev, before.Rev, "nor do revisions run back")
		}
		k.disturb(other, round)
		w.converges(other)
	}
	require.NoError(k, d.Renew(k.ctx, id), "the session is kept")
}

func wipeIsReset(k *trial) {
	k.need(k.h.Wipe != nil, "Wipe lever")
	d, other := k.open(), k.open()
	k.undisturbed(other)
	id := k.grant(d)
	k.createOwned(d, k.root+"owned", id)
	w, one := k.watch(d, k.root), k.watch(d, k.root+"kept")
	k.h.Wipe(k.TB)
	k.back(d)
	k.back(other)
	for _, w := range []*watching{w, one} {
		w.until(func() bool { return w.has(store.EventReset) }, "the watch to say EventReset")
		w.converges(other)
	}
	assert.Empty(k, k.keys(other, k.root))
	k.gone(d, id)
	k.ownsNothing(d, id)
	k.create(other, k.root+"kept", "new")
	w.sees(k.root+"kept", true)
	one.sees(k.root+"kept", true)
}
