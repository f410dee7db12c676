package etcdutil_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	etcd "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"

	"github.com/muster-go/muster/compat/etcdutil"
	"github.com/muster-go/muster/internal/etcdtest"
	"github.com/muster-go/muster/store"
)

func TestAUserNeedsNoMoreThanTheElectionsOwnKeys(t *testing.T) {
	t.Parallel()
	server := etcdtest.Start(t, etcdtest.Settings{Adjust: func(c *embed.Config) { c.BcryptCost = 4 }}) // the least: with the race detector more takes seconds
	root := server.Client()
	ctx := context.Background()
	must := func(_ any, err error) {
		t.Helper()
		require.NoError(t, err)
	}
	for user, role := range map[string]string{"root": "root", "scouts": "scouts"} {
		must(root.UserAdd(ctx, user, "secret"))
		must(root.RoleAdd(ctx, role))
		must(root.UserGrantRole(ctx, user, role))
	}
	must(root.RoleGrantPermission(ctx, "scouts", "/elections/scout/", etcd.GetPrefixRangeEnd("/elections/scout/"), etcd.PermissionType(etcd.PermReadWrite)))
	must(root.AuthEnable(ctx))

	client, err := etcdutil.NewClient(&etcd.Config{Endpoints: []string{server.Endpoint()}, Username: "scouts", Password: "secret", Logger: quiet})
	require.NoError(t, err)
	defer func() { _ = client.Close() }()
	heard := newEvents()
	one := elect(t, client, conf("one", nil))
	two := elect(t, client, conf("two", heard))
	assert.Equal(t, "one", heard.next(t).LeaderData)
	led, err := one.Concede()
	require.NoError(t, err)
	assert.True(t, led)
	assert.True(t, heard.next(t).IsLeader)
	two.Close()
	one.Close()

	c := conf("me", nil)
	c.Election = "other"
	_, err = etcdutil.NewElection(ctx, client, c)
	require.ErrorIs(t, err, store.ErrUnauthorized)
	assert.ErrorContains(t, err, "grant the user's role readwrite on the keys with the prefix \"/elections/other/\"")
	assert.NotContains(t, err.Error(), "\n")

	s, leases := session(t, client, 30)
	assert.NotEqual(t, etcdutil.NoLease, leases.next(t).id, "a lease needs no permission")
	s.Close()
}
