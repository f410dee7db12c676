package scenario_test

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"

	"github.com/muster-go/muster/internal/bootclock"
	"github.com/muster-go/muster/internal/etcdtest"
	"github.com/muster-go/muster/store"
	"github.com/muster-go/muster/store/etcdstore"
)

// A member that is cut off from the others says that it has no leader, once it knows; each request
// then goes to another one.
func TestADriverGoesOnWithTheMembersThatHaveALeader(t *testing.T) {
	t.Parallel()
	cluster := etcdtest.StartCluster(t, 3)
	u, err := url.Parse(cluster.URL("members"))
	require.NoError(t, err)
	d, err := etcdstore.Open(t.Context(), u, bootclock.Clock)
	require.NoError(t, err)
	defer func() { require.NoError(t, d.Close()) }()
	id, err := d.Grant(t.Context(), 5*time.Minute)
	require.NoError(t, err)
	create := func(ctx context.Context, key string) error {
		outcomes, err := d.Apply(ctx, []store.Write{{Kind: store.Create, Key: key, Session: id}})
		if err != nil {
			return err
		}
		return outcomes[0].Err
	}
	require.NoError(t, create(t.Context(), "before"))
	told := make(chan string, 100)
	watching, stop := context.WithCancel(t.Context())
	watched := make(chan error, 1)
	go func() {
		watched <- d.Watch(watching, "", func(e store.Event) {
			for _, r := range append(e.Records, e.Record) {
				told <- r.Key
			}
		})
	}()
	defer func() { stop(); require.ErrorIs(t, <-watched, context.Canceled) }()

	leader := cluster.Leader()
	cluster.Isolate(leader)
	cut := bootclock.Clock.Now()
	for name, call := range map[string]func(context.Context) error{
		"Renew": func(ctx context.Context) error { return d.Renew(ctx, id) },
		"List":  func(ctx context.Context) error { _, err := d.List(ctx, ""); return err },
		"Apply": func(ctx context.Context) error { return create(ctx, "after "+bootclock.Clock.Now().String()) },
	} {
		require.Eventually(t, func() bool {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			return call(ctx) == nil
		}, patience, pollTime, name)
		t.Logf("%s after %v", name, bootclock.Clock.Now().Sub(cut))
	}
	isolatedAt, isolated := leader, cluster.Endpoints()[leader]
	admin := etcdtest.NewClient(t, isolated)
	require.Eventually(t, func() bool {
		status, err := admin.Status(t.Context(), isolated)
		return err == nil && status.Leader == 0
	}, patience, pollTime, "the member that is cut off to step down")
	// led tells whom the others follow, if all of them do.
	led := func() (leader uint64) {
		for i, endpoint := range cluster.Endpoints() {
			if i == isolatedAt {
				continue
			}
			status, err := admin.Status(t.Context(), endpoint)
			if err != nil || status.Leader == 0 || leader != 0 && status.Leader != leader {
				return 0
			}
			leader = status.Leader
		}
		return leader
	}
	// A busy machine may keep a request waiting for too long, or the others without a leader, and for a
	// moment unseen; but as long as they have one, requests don't end for want of it.
	unled := 0
	answered := func(call func() error) {
		require.Eventually(t, func() bool {
			before := led()
			err := call()
			if errors.Is(err, rpctypes.ErrNoLeader) && before != 0 && before == led() {
				unled++
			}
			return err == nil
		}, patience, pollTime)
	}
	answered(func() error { return create(t.Context(), "last "+bootclock.Clock.Now().String()) })
	for key := ""; !strings.HasPrefix(key, "last "); {
		select {
		case key = <-told:
		case <-time.After(patience):
			require.FailNow(t, "the watch didn't go on")
		}
	}
	// The one that can't answer sends each request on. If none were, about fifteen would end so.
	for range 30 {
		answered(func() error { _, err := d.List(t.Context(), ""); return err })
		answered(func() error { return d.Renew(t.Context(), id) })
	}
	answered(func() error {
		owned, err := d.Owned(t.Context(), id)
		if err == nil {
			assert.GreaterOrEqual(t, len(owned), 3)
		}
		return err
	})
	assert.Less(t, unled, 8, "requests that ended for want of a leader, though there was one")
	cluster.Join(leader)
}
