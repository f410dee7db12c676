package servertest_test

import (
	"testing"
	"time"

	"github.com/go-zookeeper/zk"
	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/internal/servertest"
)

// silent swallows what the client says of its connections.
type silent struct{}

func (silent) Printf(string, ...any) {}

func zooKeeperClient(t *testing.T, addr string) *zk.Conn {
	t.Helper()
	conn, _, err := zk.Connect([]string{addr}, time.Minute, zk.WithLogger(silent{}), zk.WithLogInfo(false))
	require.NoError(t, err)
	t.Cleanup(conn.Close)
	return conn
}

func TestZooKeeperKeepsItsDataThroughACrashAndLosesThemByAWipe(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, servertest.ZooKeeper)
	_, err := zooKeeperClient(t, s.Addr()).Create("/a", []byte("1"), 0, zk.WorldACL(zk.PermAll))
	require.NoError(t, err)
	s.Stop()
	s.Start()
	value, _, err := zooKeeperClient(t, s.Addr()).Get("/a")
	require.NoError(t, err)
	require.Equal(t, "1", string(value))
	s.Wipe()
	_, _, err = zooKeeperClient(t, s.Addr()).Get("/a")
	require.ErrorIs(t, err, zk.ErrNoNode)
}

func TestZooKeepersAgree(t *testing.T) {
	t.Parallel()
	servers := servertest.StartZooKeepers(t, 3)
	for _, s := range servers {
		conn := zooKeeperClient(t, s.Addr())
		_, err := conn.Create("/"+s.Addr(), nil, 0, zk.WorldACL(zk.PermAll))
		require.NoError(t, err)
	}
	for _, s := range servers {
		conn := zooKeeperClient(t, s.Addr())
		_, err := conn.Sync("/")
		require.NoError(t, err)
		all, _, err := conn.Children("/")
		require.NoError(t, err)
		require.Len(t, all, 4, "three, and zookeeper's own")
	}
}
