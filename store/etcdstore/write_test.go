package etcdstore_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.etcd.io/etcd/server/v3/embed"

	"github.com/muster-go/muster/internal/etcdtest"
	"github.com/muster-go/muster/store"
)

// soon gives a context that ends in a while.
func soon(d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), d)
}

func TestAWriteWhoseAnswerIsLostIsUnknownAndOneThatNeverLeftIsRefused(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	d := l.open(t)
	defer func() { require.NoError(t, d.Close()) }()
	write := func(ctx context.Context, key string) error {
		_, err := d.Apply(ctx, []store.Write{{Kind: store.Create, Key: key}})
		return err
	}
	require.NoError(t, write(t.Context(), "first"))

	d.proxy.HoldReplies()
	ctx, cancel := soon(200 * time.Millisecond)
	err := write(ctx, "held")
	cancel()
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.NotErrorIs(t, err, store.ErrRefused, "the answer was held, not the write")
	d.proxy.Heal()
	assert.Contains(t, keys(t, d, ""), "held")

	ctx, cancel = context.WithCancel(t.Context())
	cancel()
	err = write(ctx, "never")
	require.ErrorIs(t, err, store.ErrUnreachable)
	require.ErrorIs(t, err, context.Canceled)

	d.proxy.Cut()
	require.Eventually(t, func() bool {
		ctx, cancel := soon(time.Second)
		defer cancel()
		err := write(ctx, "cut")
		require.Error(t, err)
		return errors.Is(err, store.ErrUnreachable) // once the client knows
	}, 30*time.Second, 5*time.Millisecond)
	d.proxy.Heal()
	require.Eventually(t, func() bool { return write(t.Context(), "after") == nil }, 30*time.Second, 5*time.Millisecond)
	assert.NotContains(t, keys(t, d, ""), "never")
	assert.NotContains(t, keys(t, d, ""), "cut")
}

func TestABatchOfManyOwnersSaysOfEachWriteWhatBecameOfIt(t *testing.T) {
	t.Parallel()
	server := etcdtest.Start(t, etcdtest.Settings{})
	d := open(t, server.URL("muster"))
	defer func() { require.NoError(t, d.Close()) }()
	owners := []store.SessionID{""}
	for i := range 3 {
		id, err := d.Grant(t.Context(), time.Minute)
		require.NoError(t, err)
		if i == 1 {
			require.NoError(t, d.Revoke(t.Context(), id))
		}
		owners = append(owners, id)
	}
	owners = append(owners, "no lease is named so")
	there := create(t, d, "there", "")
	writes := []store.Write{
		{Kind: store.Delete, Key: "there", If: there, Session: owners[2]}, // a delete has no owner
		{Kind: store.Update, Key: "zero", If: 0},
		{Kind: store.Create, Key: "large", Value: make([]byte, 2<<20)},
	}
	for i := range 300 {
		writes = append(writes, store.Write{Kind: store.Create, Key: fmt.Sprintf("%03d", i), Session: owners[i%5]})
	}
	outcomes, err := d.Apply(t.Context(), writes)
	require.NoError(t, err)
	require.NoError(t, outcomes[0].Err)
	require.ErrorIs(t, outcomes[1].Err, store.ErrConflict, "an etcd key that isn't there has the revision 0")
	require.ErrorIs(t, outcomes[2].Err, store.ErrInvalid)
	for i, o := range outcomes[3:] {
		if i%5 == 2 || i%5 == 4 {
			require.ErrorIs(t, o.Err, store.ErrSessionGone, "write %d", i)
		} else {
			require.NoError(t, o.Err, "write %d", i)
		}
	}
	assert.Len(t, keys(t, d, ""), 180)
}

func TestABatchIsDividedAsTheServerNeedsIt(t *testing.T) {
	t.Parallel()
	server := etcdtest.Start(t, etcdtest.Settings{Adjust: func(cfg *embed.Config) { cfg.MaxTxnOps = 20 }})
	d := open(t, server.URL("muster"))
	defer func() { require.NoError(t, d.Close()) }()
	var writes []store.Write
	for i := range 100 {
		writes = append(writes, store.Write{Kind: store.Create, Key: fmt.Sprint(i), Value: make([]byte, 50<<10)})
	}
	outcomes, err := d.Apply(t.Context(), writes)
	require.NoError(t, err)
	for i, o := range outcomes {
		require.NoError(t, o.Err, "write %d", i)
	}
	assert.Len(t, keys(t, d, ""), 100)
}

func TestABatchOf127IsOneRequest(t *testing.T) {
	t.Parallel()
	server := etcdtest.Start(t, etcdtest.Settings{})
	d := open(t, server.URL("muster"))
	defer func() { require.NoError(t, d.Close()) }()
	var writes []store.Write
	for i := range 127 {
		writes = append(writes, store.Write{Kind: store.Create, Key: fmt.Sprint(i)})
	}
	before := server.Requests()["Txn"]
	outcomes, err := d.Apply(t.Context(), writes)
	require.NoError(t, err)
	for _, o := range outcomes {
		require.NoError(t, o.Err)
		require.Equal(t, outcomes[0].Rev, o.Rev)
	}
	assert.Equal(t, 1, server.Requests()["Txn"]-before)
}

func TestAServerThatTakesLessInOneRequestIsGivenLess(t *testing.T) {
	t.Parallel()
	server := etcdtest.Start(t, etcdtest.Settings{Adjust: func(cfg *embed.Config) {
		cfg.MaxTxnOps, cfg.MaxRequestBytes = 10, 64<<10
	}})
	d := open(t, server.URL("muster"))
	defer func() { require.NoError(t, d.Close()) }()
	id, err := d.Grant(t.Context(), time.Minute)
	require.NoError(t, err)
	var writes []store.Write
	for i := range 100 {
		writes = append(writes, store.Write{Kind: store.Create, Key: fmt.Sprint(i), Value: make([]byte, 20<<10), Session: id})
	}
	outcomes, err := d.Apply(t.Context(), writes)
	require.NoError(t, err)
	for i, o := range outcomes {
		require.NoError(t, o.Err, "write %d", i)
	}
	owned, err := d.Owned(t.Context(), id)
	require.NoError(t, err)
	assert.Len(t, owned, 100)
	one, two, err := d.(store.PairLister).ListPair(t.Context(), "1", "")
	require.NoError(t, err)
	assert.Len(t, one.Records, 1)
	assert.Len(t, two.Records, 100)
	outcomes, err = d.Apply(t.Context(), []store.Write{{Kind: store.Create, Key: "large", Value: make([]byte, 1<<20)}})
	if err == nil {
		err = outcomes[0].Err
	}
	require.ErrorIs(t, err, store.ErrInvalid)
}
