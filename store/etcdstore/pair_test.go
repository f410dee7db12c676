package etcdstore_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/internal/etcdtest"
	"github.com/muster-go/muster/store"
	"github.com/muster-go/muster/store/etcdstore"
)

func TestTwoPrefixesAreReadWithOneRequest(t *testing.T) {
	t.Parallel()
	server := etcdtest.Start(t, etcdtest.Settings{})
	driver, err := etcdstore.New(etcdstore.Config{Client: server.Client(), Prefix: "pair"})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, driver.Close()) })
	ctx := context.Background()
	create := func(keys ...string) {
		t.Helper()
		var writes []store.Write
		for _, key := range keys {
			writes = append(writes, store.Write{Kind: store.Create, Key: key})
		}
		outcomes, err := driver.Apply(ctx, writes)
		require.NoError(t, err)
		for _, o := range outcomes {
			require.NoError(t, o.Err)
		}
	}
	pair := func(first, second string) (a, b store.Snapshot) {
		t.Helper()
		a, b, err := driver.(store.PairLister).ListPair(ctx, first, second)
		require.NoError(t, err)
		for i, prefix := range []string{first, second} {
			alone, err := driver.List(ctx, prefix)
			require.NoError(t, err)
			assert.Equal(t, alone, []store.Snapshot{a, b}[i], "as List reads it alone")
		}
		return a, b
	}
	create("z/2")
	create("z/1", "z1", "a/1")

	before := server.Requests()["Txn"]
	a, b := pair("a/", "z/")
	assert.Equal(t, before+1, server.Requests()["Txn"])
	assert.Len(t, a.Records, 1)
	assert.Equal(t, "z/2", b.Records[0].Key, "by their creation")
	assert.Len(t, b.Records, 2)
	a, b = pair("z/1", "none/")
	assert.Len(t, a.Records, 1)
	assert.Empty(t, b.Records)

	// More than one answer holds.
	for i := range 11 {
		var keys []string
		for j := range 100 {
			keys = append(keys, fmt.Sprintf("many/%d-%d", i, j))
		}
		create(keys...)
	}
	_, b = pair("a/", "many/")
	assert.Len(t, b.Records, 1100)
}

func TestWhatASessionOwnsIsReadWithOneRequestHoweverMuchItIs(t *testing.T) {
	t.Parallel()
	server := etcdtest.Start(t, etcdtest.Settings{})
	driver, err := etcdstore.New(etcdstore.Config{Client: server.Client(), Prefix: "owned"})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, driver.Close()) })
	ctx := context.Background()
	session, err := driver.Grant(ctx, time.Minute)
	require.NoError(t, err)
	for i := range 11 {
		var writes []store.Write
		for j := range 100 {
			writes = append(writes, store.Write{Kind: store.Create, Key: fmt.Sprintf("%d/%d", i, j), Session: session})
		}
		_, err := driver.Apply(ctx, writes)
		require.NoError(t, err)
	}
	before := server.Requests()["Txn"]
	owned, err := driver.Owned(ctx, session)
	require.NoError(t, err)
	assert.Len(t, owned, 1100)
	assert.Equal(t, before+1, server.Requests()["Txn"])
}
