package zkstore_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/internal/servertest"
	"github.com/muster-go/muster/store"
	"github.com/muster-go/muster/store/zkstore"
)

// write does one write, which must succeed.
func write(t testing.TB, d store.Driver, w store.Write) uint64 {
	t.Helper()
	outcomes, err := d.Apply(context.Background(), []store.Write{w})
	require.NoError(t, err)
	require.NoError(t, outcomes[0].Err)
	return outcomes[0].Rev
}

func create(t testing.TB, d store.Driver, key string, id store.SessionID) uint64 {
	t.Helper()
	return write(t, d, store.Write{Kind: store.Create, Key: key, Session: id})
}

func keys(t testing.TB, d store.Driver, prefix string) []string {
	t.Helper()
	snapshot, err := d.List(context.Background(), prefix)
	require.NoError(t, err)
	var all []string
	for _, r := range snapshot.Records {
		all = append(all, r.Key)
	}
	return all
}

// A node that is made again begins with the version of the one before.
func TestAConditionNeverHoldsForARecordThatWasMadeAgain(t *testing.T) {
	t.Parallel()
	d := open(t, "zk://"+servertest.Shared(t, servertest.ZooKeeper).Addr()+root("again"))
	defer func() { require.NoError(t, d.Close()) }()
	id, err := d.Grant(t.Context(), 30*time.Second)
	require.NoError(t, err)
	for i, owner := range []store.SessionID{"", id} {
		for j, w := range []store.Write{
			{Kind: store.Update, Value: []byte("late"), Session: owner},
			{Kind: store.Update, Value: []byte("late"), Session: id},
			{Kind: store.Delete},
		} {
			w.Key = fmt.Sprintf("key-%d-%d", i, j)
			w.If = create(t, d, w.Key, owner)
			err := zkstore.ChangeAfter(t.Context(), d, w, func() {
				write(t, d, store.Write{Kind: store.Delete, Key: w.Key, If: w.If})
				write(t, d, store.Write{Kind: store.Create, Key: w.Key, Value: []byte("again"), Session: owner})
			})
			require.ErrorIs(t, err, zkstore.ErrOvertaken)
			outcomes, err := d.Apply(t.Context(), []store.Write{w})
			require.NoError(t, err)
			require.ErrorIs(t, outcomes[0].Err, store.ErrConflict)
			snapshot, err := d.List(t.Context(), w.Key)
			require.NoError(t, err)
			require.Len(t, snapshot.Records, 1)
			assert.Equal(t, "again", string(snapshot.Records[0].Value))
		}
	}
}

// Who goes after another one's sequence number sees it wrap; who goes by creation doesn't.
func TestTheOrderIsThatOfCreationAlsoAfterAChangeOfOwner(t *testing.T) {
	t.Parallel()
	d := open(t, "zk://"+servertest.Shared(t, servertest.ZooKeeper).Addr()+root("order"))
	defer func() { require.NoError(t, d.Close()) }()
	id, err := d.Grant(t.Context(), 30*time.Second)
	require.NoError(t, err)
	first := create(t, d, "q/z", "")
	create(t, d, "q/y", "")
	rev := write(t, d, store.Write{Kind: store.Update, Key: "q/z", If: first, Session: id})
	rev = write(t, d, store.Write{Kind: store.Update, Key: "q/z", If: rev, Value: []byte("x"), Session: id})
	write(t, d, store.Write{Kind: store.Update, Key: "q/z", If: rev, Value: []byte("y")})
	snapshot, err := d.List(t.Context(), "q/")
	require.NoError(t, err)
	require.Len(t, snapshot.Records, 2)
	assert.Equal(t, "q/z", snapshot.Records[0].Key)
	assert.Equal(t, first, snapshot.Records[0].CreateRev)
	assert.Empty(t, snapshot.Records[0].Session)
}

func TestBucketsThatZooKeeperDeletedAreMadeAgain(t *testing.T) {
	t.Parallel()
	server := servertest.Shared(t, servertest.ZooKeeper)
	at := root("buckets")
	d := open(t, "zk://"+server.Addr()+at)
	defer func() { require.NoError(t, d.Close()) }()
	rev := create(t, d, "a/b/c", "")
	write(t, d, store.Write{Kind: store.Delete, Key: "a/b/c", If: rev})
	conn := raw(t, server.Addr())
	require.Eventually(t, func() bool {
		all, _, err := conn.Children(at + "/records")
		return err == nil && len(all) == 0
	}, time.Minute, 10*time.Millisecond, "the server looks for empty ones every second")
	create(t, d, "a/b/c", "")
	assert.Equal(t, []string{"a/b/c"}, keys(t, d, "a/"))
}

func TestWhatIsNoRecordIsLeftAlone(t *testing.T) {
	t.Parallel()
	server := servertest.Shared(t, servertest.ZooKeeper)
	at := root("strange")
	d := open(t, "zk://"+server.Addr()+at)
	defer func() { require.NoError(t, d.Close()) }()
	create(t, d, "a/b", "")
	conn := raw(t, server.Addr())
	for _, path := range []string{"/records/junk", "/records/d-a/b-00", "/records/d-a/b-00/junk"} {
		_, err := conn.Create(at+path, []byte("junk"), 0, zk.WorldACL(zk.PermAll))
		if !errors.Is(err, zk.ErrNodeExists) {
			require.NoError(t, err)
		}
	}
	assert.Equal(t, []string{"a/b"}, keys(t, d, ""))
}

func TestValuesMayBeAsLargeAsTheLimitsSay(t *testing.T) {
	t.Parallel()
	d := open(t, "zk://"+servertest.Shared(t, servertest.ZooKeeper).Addr()+root("large"))
	defer func() { require.NoError(t, d.Close()) }()
	id, err := d.Grant(t.Context(), 30*time.Second)
	require.NoError(t, err)
	most := make([]byte, d.Limits().MaxValue)
	rev := write(t, d, store.Write{Kind: store.Create, Key: "a", Value: most, Session: id})
	rev = write(t, d, store.Write{Kind: store.Update, Key: "a", If: rev, Value: most, Session: id})
	write(t, d, store.Write{Kind: store.Update, Key: "a", If: rev, Value: most})
	snapshot, err := d.List(t.Context(), "a")
	require.NoError(t, err)
	require.Len(t, snapshot.Records, 1)
	assert.Len(t, snapshot.Records[0].Value, len(most))
	outcomes, err := d.Apply(t.Context(), []store.Write{{Kind: store.Create, Key: "b", Value: append(most, 0)}})
	require.NoError(t, err)
	require.ErrorIs(t, outcomes[0].Err, store.ErrInvalid)
}
