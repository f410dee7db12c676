package etcdutil_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	etcd "go.etcd.io/etcd/client/v3"

	"github.com/muster-go/muster/compat/etcdutil"
	"github.com/muster-go/muster/internal/etcdtest"
)

// veteran is a candidate that speaks the original's protocol, and nothing else: a lease, a key that is
// named after it, created by a transaction, and a wait for the key that was created before.
type veteran struct {
	client *etcd.Client
	prefix string
	lease  etcd.LeaseID
	key    string
	rev    int64
	leads  chan struct{}      // closed when it leads
	starve context.CancelFunc // ends the renewals
	ended  chan struct{}
}

func stand(t *testing.T, client *etcd.Client, election, data string, ttl int64) *veteran {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	v := &veteran{client: client, prefix: "/elections/" + election + "/", leads: make(chan struct{}), starve: cancel, ended: make(chan struct{})}
	grant, err := client.Grant(ctx, ttl)
	require.NoError(t, err)
	v.lease = grant.ID
	alive, err := client.KeepAlive(ctx, grant.ID)
	require.NoError(t, err)
	go func() {
		for range alive { // else the client logs that nobody takes them
		}
	}()
	v.key = fmt.Sprintf("%s%x", v.prefix, grant.ID)
	resp, err := client.Txn(ctx).If(etcd.Compare(etcd.CreateRevision(v.key), "=", 0)).Then(etcd.OpPut(v.key, data, etcd.WithLease(grant.ID))).Commit()
	require.NoError(t, err)
	require.True(t, resp.Succeeded)
	v.rev = resp.Header.Revision
	go v.wait(ctx)
	t.Cleanup(func() {
		cancel()
		<-v.ended
	})
	return v
}

// wait waits for each candidate before, the latest first, until there is none.
func (v *veteran) wait(ctx context.Context) {
	defer close(v.ended)
	for {
		resp, err := v.client.Get(ctx, v.prefix, append(etcd.WithLastCreate(), etcd.WithMaxCreateRev(v.rev-1))...)
		if err != nil {
			return
		}
		if len(resp.Kvs) == 0 {
			close(v.leads)
			return
		}
		watching, stop := context.WithCancel(ctx)
		gone := false
		for w := range v.client.Watch(watching, string(resp.Kvs[0].Key), etcd.WithRev(resp.Header.Revision+1), etcd.WithFilterPut()) {
			if gone = len(w.Events) > 0; gone {
				break
			}
		}
		stop()
		if !gone {
			return
		}
	}
}

// resign deletes the key, and keeps the lease.
func (v *veteran) resign(t *testing.T) {
	t.Helper()
	_, err := v.client.Delete(context.Background(), v.key)
	require.NoError(t, err)
}

func (v *veteran) mustLead(t *testing.T) {
	t.Helper()
	select {
	case <-v.leads:
	case <-time.After(most):
		require.FailNow(t, "the original's candidate doesn't lead")
	}
}

func (v *veteran) leading() bool {
	select {
	case <-v.leads:
		return true
	default:
		return false
	}
}

func TestBesideACandidateOfTheOriginalItFollowsAndLeadsWhenThatOneIsGone(t *testing.T) {
	t.Parallel()
	client := etcdtest.Start(t, etcdtest.Settings{}).Client()
	for name, end := range map[string]func(*testing.T, *veteran){
		"resigns": func(t *testing.T, v *veteran) { v.resign(t) },
		"revokes": func(t *testing.T, v *veteran) {
			_, err := client.Revoke(context.Background(), v.lease)
			require.NoError(t, err)
		},
		"dies": func(_ *testing.T, v *veteran) { v.starve() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			original := stand(t, client, name, "original", 5)
			original.mustLead(t)
			heard := newEvents()
			c := conf("ours", heard)
			c.Election = name
			ours := elect(t, client, c)
			assert.False(t, ours.IsLeader())
			assert.Equal(t, etcdutil.ElectionEvent{LeaderKey: original.key, LeaderData: "original"}, heard.next(t))
			end(t, original)
			won := heard.next(t)
			assert.True(t, won.IsLeader)
			assert.Equal(t, "ours", won.LeaderData)
		})
	}
}

func TestBesideACandidateOfTheOriginalItLeadsAndLetsThatOneLeadAfterIt(t *testing.T) {
	t.Parallel()
	client := etcdtest.Start(t, etcdtest.Settings{}).Client()
	heard := newEvents()
	ours := elect(t, client, conf("ours", heard))
	assert.True(t, heard.next(t).IsLeader)
	original := stand(t, client, "scout", "original", 60)
	assert.False(t, original.leading())

	led, err := ours.Concede()
	require.NoError(t, err)
	assert.True(t, led)
	original.mustLead(t)
	assert.Equal(t, lowered, heard.next(t))
	assert.Equal(t, etcdutil.ElectionEvent{LeaderKey: original.key, LeaderData: "original"}, heard.next(t))

	second := stand(t, client, "scout", "second", 60)
	original.resign(t)
	assert.True(t, heard.next(t).IsLeader, "it queued behind the first and before the second")
	assert.False(t, second.leading())
	ours.Close()
	second.mustLead(t)
}
