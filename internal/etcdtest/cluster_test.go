package etcdtest_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/muster-go/muster/internal/etcdtest"
)

// answers tells whether a member answers a linearizable read soon.
func answers(c *clientv3.Client) bool {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_, err := c.Get(ctx, "a")
	return err == nil
}

func TestCluster(t *testing.T) {
	c := etcdtest.StartCluster(t, 3)
	var clients []*clientv3.Client
	for _, m := range c.Members {
		clients = append(clients, m.Client())
	}
	put(t, clients[0], "a")

	first := c.Leader()
	c.Isolate(first)
	require.Eventually(t, func() bool { return c.Leader() != first }, time.Minute, 10*time.Millisecond, "the others elect one of their own")
	second := c.Leader()
	assert.False(t, answers(clients[first]), "a member without peers answers no linearizable read")
	put(t, clients[second], "b")
	c.Join(first)
	require.Eventually(t, func() bool { return answers(clients[first]) }, time.Minute, 10*time.Millisecond)
	found, _ := keys(t, clients[first])
	assert.Equal(t, []string{"a", "b"}, found)

	leader := c.Leader()
	c.Members[leader].Stop()
	require.NotEqual(t, leader, c.Leader())
	other := etcdtest.NewClient(t, c.Endpoints()...)
	put(t, other, "c")
	c.Members[leader].Start()
	require.Eventually(t, func() bool { return answers(clients[leader]) }, time.Minute, 10*time.Millisecond)
	assert.Equal(t, "etcd://"+c.Endpoints()[0]+","+c.Endpoints()[1]+","+c.Endpoints()[2]+"/p", c.URL("p"))
}
