package storetest

import (
	"fmt"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/store"
)

func limitsAreSane(k *trial) {
	d := k.open()
	limits := d.Limits()
	require.NoError(k, limits.Check(k.h.TTL), "the harness's TTL")
	assert.GreaterOrEqual(k, limits.WorstFailover(k.h.TTL), limits.Round(k.h.TTL))
	assert.GreaterOrEqual(k, limits.Round(k.h.TTL), k.h.TTL)
	k.createOwned(d, k.root+"a", k.grant(d))
	assert.Equal(k, limits, d.Limits())
	assert.Equal(k, limits, k.open().Limits())
}

func proofAtMostOnce(k *trial) {
	given := 0
	for range 3 {
		d := k.open()
		for range 2 {
			proven, err := d.Proof(k.ctx)
			require.NoError(k, err)
			if proven {
				given++
			}
		}
	}
	assert.LessOrEqual(k, given, 1, "times that Proof said true")
}

// step is how finely time passes while the kit looks for a session's end.
func (k *trial) step() time.Duration { return max(k.h.TTL/50, 5*time.Millisecond) }

// worst is how late a session with the harness's TTL may end.
func (k *trial) worst(d store.Driver) time.Duration {
	return d.Limits().WorstFailover(k.h.TTL) + k.h.Slack
}

// untilGone lets time pass until key is gone, and checks that this is not before its session's TTL,
// whose latest renewal was sent and had been answered at these times, nor later than the limits say.
// These bounds hold however slow the machine is: too early is only what a List that had returned
// before sent+TTL didn't see, too late what one that began after answered+worst still saw.
func (k *trial) untilGone(by store.Driver, key string, sent, answered time.Time) {
	k.Helper()
	for {
		before := k.now()
		present := k.exists(by, key)
		after := k.now()
		if !present {
			require.GreaterOrEqual(k, after.Sub(sent), k.h.TTL, "the record went with its session too early")
			return
		}
		if before.Sub(answered) > k.worst(by) {
			if k.h.Advance != nil { // what the clock started may still be under way
				k.eventually(func() bool { return !k.exists(by, key) }, "the record to go with its session")
				return
			}
			require.Fail(k, "the session didn't end in time", "%v after its last renewal the record is still there; the worst case is %v + %v of slack",
				before.Sub(answered), by.Limits().WorstFailover(k.h.TTL), k.h.Slack)
		}
		k.pass(k.step())
	}
}

func sessionEndsInTime(k *trial) {
	d, other := k.open(), k.open()
	w := k.watch(other, k.root)
	sent := k.now()
	id := k.grantFor(d, k.h.TTL)
	answered := k.now()
	for i := range 3 {
		if o := k.write(d, store.Write{Kind: store.Create, Key: fmt.Sprintf("%s%d", k.root, i), Session: id}); o.Err != nil {
			require.ErrorIs(k, o.Err, store.ErrSessionGone)
			require.GreaterOrEqual(k, k.now().Sub(sent), k.h.TTL, "the session ended too early")
			k.Skip("NOT CHECKED: the machine stood still for a whole TTL")
		}
	}
	durable := k.create(d, k.root+"durable", "")
	k.untilGone(other, k.root+"0", sent, answered)
	w.until(func() bool { return len(w.view) == 1 && w.view[k.root+"durable"].ModRev == durable }, "the watch to see that the session's records went")
	for _, e := range w.told() {
		if e.Kind == store.EventDelete {
			assert.GreaterOrEqual(k, e.at.Sub(sent), k.h.TTL, "the watch told of the session's end too early")
			assert.LessOrEqual(k, e.at.Sub(answered), k.worst(d)+k.step(), "the watch told of the session's end too late")
		}
	}
	assert.Equal(k, []string{"durable"}, k.keys(other, k.root))
}

func renewalKeepsAlive(k *trial) {
	d, other := k.open(), k.open()
	key := k.root + "a"
	for attempt := range 5 {
		id := k.grantFor(d, k.h.TTL)
		sent := k.now()
		answered := sent
		if k.write(d, store.Write{Kind: store.Create, Key: key, Session: id}).Err != nil {
			continue // the machine stood still
		}
		late := false
		for start := k.now(); k.now().Sub(start) < 3*k.h.TTL && !late; k.pass(k.h.TTL / 5) {
			last := sent
			next := k.now()
			err := d.Renew(k.ctx, id)
			if err != nil && k.now().Sub(last) >= k.h.TTL {
				late = true
				break
			}
			require.NoError(k, err, "Renew %v after the one before was sent", k.now().Sub(last))
			require.True(k, k.exists(other, key) || k.now().Sub(next) >= k.h.TTL, "the record of a session that was renewed in time is there")
			sent, answered = next, k.now()
		}
		if late {
			k.Logf("attempt %d: the machine stood still for a whole TTL", attempt)
			continue
		}
		k.untilGone(other, key, sent, answered)
		k.gone(d, id)
		return
	}
	k.Skip("NOT CHECKED: the machine stood still for whole TTLs, again and again")
}

func goneStaysGone(k *trial) {
	d, other := k.open(), k.open()
	id := k.grantFor(d, k.h.TTL)
	key := k.root + "a"
	k.write(d, store.Write{Kind: store.Create, Key: key, Session: id})
	rev := k.create(d, k.root+"durable", "before")
	for start := k.now(); k.exists(other, key); k.pass(k.step()) {
		require.LessOrEqual(k, k.now().Sub(start), k.worst(d)+k.h.TTL, "the session ends")
	}
	for range 2 {
		k.gone(d, id)
		k.ownsNothing(d, id)
		k.cannotWrite(d, id, k.root+"durable", rev)
		require.False(k, k.exists(other, key), "the record stays gone")
		require.NoError(k, d.Revoke(k.ctx, id), "revoking a session that is gone")
	}
}

func (k *trial) ownsNothing(d store.Driver, id store.SessionID) {
	k.Helper()
	owned, err := d.Owned(k.ctx, id)
	require.NoError(k, err, "Owned of a session that is gone")
	require.Empty(k, owned)
}

// cannotWrite checks that nothing is written in the name of a session that is gone.
func (k *trial) cannotWrite(d store.Driver, id store.SessionID, existing string, rev uint64) {
	k.Helper()
	before := k.record(d, existing)
	for _, w := range []store.Write{
		{Kind: store.Create, Key: k.root + "new", Session: id},
		{Kind: store.Update, Key: existing, If: rev, Value: []byte("after"), Session: id},
	} {
		err := k.write(d, w).Err
		require.ErrorIs(k, err, store.ErrSessionGone)
		require.ErrorIs(k, err, store.ErrGone)
		require.NotErrorIs(k, err, store.ErrRefused)
	}
	require.False(k, k.exists(d, k.root+"new"))
	require.True(k, same(before, k.record(d, existing)), "the record is as before")
}

func revokeDeletesOwned(k *trial) {
	d, other := k.open(), k.open()
	mine, theirs := k.grant(d), k.grant(other)
	for i := range 5 {
		k.createOwned(d, fmt.Sprintf("%smine/%d", k.root, i), mine)
	}
	k.createOwned(other, k.root+"theirs", theirs)
	rev := k.create(d, k.root+"durable", "")
	require.NoError(k, d.Revoke(k.ctx, mine))
	assert.Equal(k, []string{"theirs", "durable"}, k.keys(other, k.root))
	require.NoError(k, d.Revoke(k.ctx, mine), "a second time")
	k.gone(d, mine)
	k.ownsNothing(d, mine)
	k.cannotWrite(d, mine, k.root+"durable", rev)
	require.NoError(k, other.Renew(k.ctx, theirs))
	assert.Equal(k, []string{"theirs", "durable"}, k.keys(other, k.root))
}

func ownedIsExact(k *trial) {
	d := k.open()
	a, b := k.grant(d), k.grant(d)
	require.NotEqual(k, a, b, "two sessions have two names")
	k.ownsNothing(d, a)
	one := k.createOwned(d, k.root+"one", a)
	two := k.createOwned(d, k.root+"x/two", a)
	k.createOwned(d, k.root+"three", b)
	k.create(d, k.root+"durable", "")
	owned, err := d.Owned(k.ctx, a)
	require.NoError(k, err)
	assert.ElementsMatch(k, []string{"one", "x/two"}, k.names(owned))
	for _, r := range owned {
		assert.True(k, same(r, k.record(d, r.Key)), "Owned and List agree on %s", r.Key)
	}
	k.delete(d, k.root+"one", one)
	k.done(d, store.Write{Kind: store.Update, Key: k.root + "x/two", If: two, Session: b})
	k.ownsNothing(d, a)
	owned, err = d.Owned(k.ctx, b)
	require.NoError(k, err)
	assert.ElementsMatch(k, []string{"three", "x/two"}, k.names(owned))
}

func orphansAreHarmless(k *trial) {
	d, other := k.open(), k.open()
	start := k.now()
	orphans := make([]store.SessionID, 20)
	for i := range orphans {
		orphans[i] = k.grantFor(d, k.h.TTL)
	}
	id := k.grant(other)
	k.createOwned(other, k.root+"a", id)
	for k.now().Sub(start) <= d.Limits().WorstFailover(k.h.TTL) {
		k.pass(k.h.TTL / 4)
	}
	for _, orphan := range orphans {
		k.eventually(func() bool {
			// Renewing would revive one that isn't gone, so this asks what can't.
			o := k.write(d, store.Write{Kind: store.Create, Key: k.root + "probe", Session: orphan})
			if o.Err == nil {
				k.write(d, store.Write{Kind: store.Delete, Key: k.root + "probe", If: o.Rev}) // it may have gone with its session by now
			}
			return o.Err != nil
		}, "the forgotten session to end")
		k.gone(d, orphan)
	}
	require.NoError(k, other.Renew(k.ctx, id))
	assert.Equal(k, []string{"a"}, k.keys(d, k.root))
}

func expireLever(k *trial) {
	k.need(k.h.Expire != nil, "Expire lever")
	d, other := k.open(), k.open()
	id, kept := k.grant(d), k.grant(d)
	k.createOwned(d, k.root+"a", id)
	k.createOwned(d, k.root+"b", kept)
	w := k.watch(other, k.root)
	k.h.Expire(k.TB, id)
	w.sees(k.root+"a", false)
	assert.Equal(k, []string{"b"}, k.keys(other, k.root))
	k.gone(d, id)
	require.NoError(k, d.Renew(k.ctx, kept))
}

func badTTLs(k *trial) {
	d := k.open()
	limits := d.Limits()
	bad := []time.Duration{0, -time.Second}
	if limits.MinTTL > 0 {
		bad = append(bad, limits.MinTTL-1)
	}
	if limits.MaxTTL > 0 {
		bad = append(bad, limits.MaxTTL+1)
	}
	for _, ttl := range bad {
		id, err := d.Grant(k.ctx, ttl)
		require.ErrorIs(k, err, store.ErrInvalid, "Grant of %v", ttl)
		require.ErrorIs(k, err, store.ErrRefused)
		require.Empty(k, id)
	}
}
