package etcdtest

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/muster-go/muster/internal/servertest"
)

// Cluster is several nodes that keep the same data.
type Cluster struct {
	t       testing.TB
	Members []*Server
}

// StartCluster starts n nodes without data and waits until all are ready.
func StartCluster(t testing.TB, n int) *Cluster {
	t.Helper()
	addrs, err := servertest.FreePorts(2 * n)
	if err != nil {
		t.Fatalf("etcdtest: %v", err)
	}
	var members []string
	for i := range n {
		members = append(members, fmt.Sprintf("n%d=http://%s", i+1, addrs[n+i]))
	}
	c := &Cluster{t: t}
	for i := range n {
		name := fmt.Sprintf("n%d", i+1)
		c.Members = append(c.Members, newServer(t, name, addrs[i], addrs[n+i], strings.Join(members, ","), Settings{}))
	}
	// Before those of the nodes, which take turns: a node waits long for peers that have left.
	t.Cleanup(func() { c.each((*node).stopped) })
	c.Start()
	return c
}

// Stop stops all members, as a power cut does.
func (c *Cluster) Stop() {
	c.t.Helper()
	c.each((*node).stopped)
}

// Start starts all members, which must be stopped, with the data that they had, and waits until they
// are ready.
func (c *Cluster) Start() {
	c.t.Helper()
	c.each((*node).start)
	c.each((*node).ready)
}

// each does something with all members at the same time.
func (c *Cluster) each(do func(*node) error) {
	c.t.Helper()
	errs := make([]error, len(c.Members))
	var all sync.WaitGroup
	for i, m := range c.Members {
		all.Go(func() { errs[i] = do(m.node) })
	}
	all.Wait()
	for _, err := range errs {
		if err != nil {
			c.t.Fatalf("etcdtest: %v", err)
		}
	}
}

// Endpoints are those of all members.
func (c *Cluster) Endpoints() []string {
	var endpoints []string
	for _, m := range c.Members {
		endpoints = append(endpoints, m.Endpoint())
	}
	return endpoints
}

// URL is the store's URL for a prefix ("" for none), with all members.
func (c *Cluster) URL(prefix string) string { return URL(prefix, c.Endpoints()...) }

// Leader waits until a majority of the members follows one leader, and gives its index.
func (c *Cluster) Leader() int {
	c.t.Helper()
	for late := time.Now().Add(patience); time.Now().Before(late); time.Sleep(10 * time.Millisecond) {
		followers := map[uint64]int{}
		for _, m := range c.Members {
			if m.node.etcd != nil {
				followers[m.node.etcd.Server.Lead()]++
			}
		}
		for i, m := range c.Members {
			if m.node.etcd != nil && followers[uint64(m.node.etcd.Server.MemberID())] > len(c.Members)/2 {
				return i
			}
		}
	}
	c.t.Fatalf("etcdtest: the cluster found no leader within %v", patience)
	return -1
}

// Isolate cuts a running member off from all its peers, and them from it, until Join: whatever one
// sends the other never arrives. Clients still reach all members. It lasts until a member is
// stopped.
func (c *Cluster) Isolate(i int) { c.part(i, true) }

// Join undoes Isolate.
func (c *Cluster) Join(i int) { c.part(i, false) }

func (c *Cluster) part(i int, apart bool) {
	one := c.Members[i].node.etcd
	for j, m := range c.Members {
		other := m.node.etcd
		if i == j || one == nil || other == nil {
			continue
		}
		if apart {
			one.Server.CutPeer(other.Server.MemberID())
			other.Server.CutPeer(one.Server.MemberID())
		} else {
			one.Server.MendPeer(other.Server.MemberID())
			other.Server.MendPeer(one.Server.MemberID())
		}
	}
}
