package storetest

import (
	"context"
	"crypto/rand"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/internal/bootclock"
	"github.com/muster-go/muster/store"
)

// trial is one check at work: its test, the harness and a corner of the store of its own.
type trial struct {
	testing.TB
	h    Harness
	root string          // ends in "/"; every key of the check is below it
	ctx  context.Context // bounds a driver that would block for ever, if it honours contexts
}

func newTrial(t testing.TB, h Harness) *trial {
	// Not t.Context(): what Cleanup does still needs one.
	ctx, cancel := context.WithTimeout(context.Background(), 4*h.Patience)
	t.Cleanup(cancel)
	return &trial{TB: t, h: h, root: "kit-" + strings.ToLower(rand.Text()[:10]) + "/", ctx: ctx}
}

// open gives a client that is closed at the end of the check.
func (k *trial) open() store.Driver {
	k.Helper()
	d := k.h.Open(k.TB)
	k.Cleanup(func() {
		if err := d.Close(); err != nil {
			k.Errorf("closing the client: %v", err)
		}
	})
	return d
}

// need skips the check, aloud, if the harness lacks something.
func (k *trial) need(has bool, what string) {
	k.Helper()
	if !has {
		k.Skipf("NOT CHECKED: the harness has no %s", what)
	}
}

// longTTL is for sessions that must not end during the check.
func (k *trial) longTTL(d store.Driver) time.Duration {
	ttl := max(100*k.h.TTL, 5*time.Minute)
	if most := d.Limits().MaxTTL; most > 0 {
		ttl = min(ttl, most)
	}
	return ttl
}

// grant starts a session that doesn't end during the check.
func (k *trial) grant(d store.Driver) store.SessionID {
	k.Helper()
	return k.grantFor(d, k.longTTL(d))
}

func (k *trial) grantFor(d store.Driver, ttl time.Duration) store.SessionID {
	k.Helper()
	id, err := d.Grant(k.ctx, ttl)
	require.NoError(k, err, "Grant")
	require.NotEmpty(k, id, "a session has a name")
	return id
}

// write does one write and gives its outcome; it stops the check if the batch failed as a whole.
func (k *trial) write(d store.Driver, w store.Write) store.Outcome {
	k.Helper()
	outcomes, err := d.Apply(k.ctx, []store.Write{w})
	require.NoError(k, err, "Apply")
	require.Len(k, outcomes, 1)
	return outcomes[0]
}

// done does one write that must succeed and gives its revision.
func (k *trial) done(d store.Driver, w store.Write) uint64 {
	k.Helper()
	o := k.write(d, w)
	require.NoError(k, o.Err, "write of %s", w.Key)
	require.NotZero(k, o.Rev, "a commit has a revision")
	return o.Rev
}

func (k *trial) create(d store.Driver, key, value string) uint64 {
	k.Helper()
	return k.done(d, store.Write{Kind: store.Create, Key: key, Value: []byte(value)})
}

func (k *trial) createOwned(d store.Driver, key string, id store.SessionID) uint64 {
	k.Helper()
	return k.done(d, store.Write{Kind: store.Create, Key: key, Session: id})
}

func (k *trial) update(d store.Driver, key string, rev uint64, value string) uint64 {
	k.Helper()
	return k.done(d, store.Write{Kind: store.Update, Key: key, If: rev, Value: []byte(value)})
}

func (k *trial) delete(d store.Driver, key string, rev uint64) uint64 {
	k.Helper()
	return k.done(d, store.Write{Kind: store.Delete, Key: key, If: rev})
}

// refused does one write that must be refused with a conflict.
func (k *trial) conflict(d store.Driver, w store.Write) {
	k.Helper()
	err := k.write(d, w).Err
	require.ErrorIs(k, err, store.ErrConflict)
	require.ErrorIs(k, err, store.ErrRefused)
	require.NotErrorIs(k, err, store.ErrGone)
}

func (k *trial) list(d store.Driver, prefix string) store.Snapshot {
	k.Helper()
	snap, err := d.List(k.ctx, prefix)
	require.NoError(k, err, "List")
	return snap
}

// keys lists a prefix's keys without the check's root.
func (k *trial) keys(d store.Driver, prefix string) []string {
	k.Helper()
	return k.names(k.list(d, prefix).Records)
}

func (k *trial) names(records []store.Record) []string {
	names := make([]string, len(records))
	for i, r := range records {
		names[i] = strings.TrimPrefix(r.Key, k.root)
	}
	return names
}

// record reads one key that must be there.
func (k *trial) record(d store.Driver, key string) store.Record {
	k.Helper()
	snap := k.list(d, key)
	require.Len(k, snap.Records, 1, "records at %s", key)
	return snap.Records[0]
}

func (k *trial) exists(d store.Driver, key string) bool {
	k.Helper()
	return len(k.list(d, key).Records) > 0
}

// gone checks that a session has ended for good.
func (k *trial) gone(d store.Driver, id store.SessionID) {
	k.Helper()
	err := d.Renew(k.ctx, id)
	require.ErrorIs(k, err, store.ErrSessionGone, "Renew of an ended session")
	require.ErrorIs(k, err, store.ErrGone)
}

func (k *trial) now() time.Time { return k.h.Clock.Now() }

// pass lets time pass on the harness's clock.
func (k *trial) pass(d time.Duration) {
	if k.h.Advance != nil {
		k.h.Advance(d)
		return
	}
	<-k.h.Clock.After(d)
}

// moment lets a moment of real time pass.
func moment() { <-bootclock.Clock.After(2 * time.Millisecond) }

// eventually waits, in real time, until cond holds.
func (k *trial) eventually(cond func() bool, what string) {
	k.Helper()
	for deadline := bootclock.Clock.Now().Add(k.h.Patience); !cond(); moment() {
		if bootclock.Clock.Now().After(deadline) {
			k.Fatalf("%v passed in vain: %s", k.h.Patience, what)
		}
	}
}
