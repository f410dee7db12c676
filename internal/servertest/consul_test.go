package servertest_test

import (
	"testing"
	"time"

	"github.com/hashicorp/consul/api"
	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/internal/servertest"
)

func TestConsulKeepsItsDataThroughACrashAndLosesThemByAWipe(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, servertest.ConsulWith(func(*servertest.Server) string { return `{"datacenter": "here"}` }))
	config := api.DefaultNonPooledConfig()
	config.Address = s.Addr()
	client, err := api.NewClient(config)
	require.NoError(t, err)
	leader, err := client.Agent().Self()
	require.NoError(t, err)
	require.Equal(t, "here", leader["Config"]["Datacenter"], "the configuration")
	_, err = client.KV().Put(&api.KVPair{Key: "k", Value: []byte("v")}, nil)
	require.NoError(t, err)
	consistent := &api.QueryOptions{RequireConsistent: true}
	s.Stop()
	s.Start()
	kv, _, err := client.KV().Get("k", consistent)
	require.NoError(t, err)
	require.NotNil(t, kv)

	s.Freeze()
	answered := make(chan error, 1)
	go func() {
		_, _, err := client.KV().Get("k", consistent)
		answered <- err
	}()
	select {
	case err := <-answered:
		require.Fail(t, "a frozen server answered", "%v", err)
	case <-time.After(300 * time.Millisecond):
	}
	s.Thaw()
	require.NoError(t, <-answered)

	s.Wipe()
	kv, _, err = client.KV().Get("k", consistent)
	require.NoError(t, err)
	require.Nil(t, kv)
}
