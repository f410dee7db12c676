package etcdtest_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/muster-go/muster/internal/etcdtest"
)

// put writes a key and gives the revision.
func put(t *testing.T, c *clientv3.Client, key string) int64 {
	t.Helper()
	answer, err := c.Put(context.Background(), key, "x")
	require.NoError(t, err)
	return answer.Header.Revision
}

// keys gives all keys, and the revision.
func keys(t *testing.T, c *clientv3.Client) ([]string, int64) {
	t.Helper()
	answer, err := c.Get(context.Background(), "", clientv3.WithPrefix())
	require.NoError(t, err)
	var found []string
	for _, kv := range answer.Kvs {
		found = append(found, string(kv.Key))
	}
	return found, answer.Header.Revision
}

func TestServer(t *testing.T) {
	s := etcdtest.Start(t, etcdtest.Settings{})
	client := s.Client()
	put(t, client, "a")
	snapshot := s.Snapshot()
	before := put(t, client, "b")

	s.Stop()
	s.Stop()
	s.Start()
	found, rev := keys(t, client)
	assert.Equal(t, []string{"a", "b"}, found, "after a start with its data")
	assert.Equal(t, before, rev)

	for range 2 {
		s.Restore(snapshot)
		found, rev = keys(t, client)
		assert.Equal(t, []string{"a"}, found, "after a restore")
		assert.Less(t, rev, before, "revisions ran backwards")
		put(t, client, "c")
	}

	s.Wipe()
	found, rev = keys(t, client)
	assert.Empty(t, found, "after a wipe")
	assert.EqualValues(t, 1, rev)

	assert.Equal(t, "etcd://"+s.Endpoint()+"/a/b", s.URL("/a/b"))
	assert.Equal(t, "etcd://h:1,i:2", etcdtest.URL("", "h:1", "i:2"))
}

func TestRequestsAreCountedByMethodAndMessagesOnStreamsToo(t *testing.T) {
	s := etcdtest.Start(t, etcdtest.Settings{})
	client := s.Client()
	put(t, client, "a")
	put(t, client, "b")
	lease, err := client.Grant(context.Background(), 60)
	require.NoError(t, err)
	for range 3 {
		_, err = client.KeepAliveOnce(context.Background(), lease.ID)
		require.NoError(t, err)
	}
	assert.Equal(t, map[string]int{"Put": 2, "LeaseGrant": 1, "LeaseKeepAlive": 3}, s.Requests())
}
