package etcdfence_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/muster-go/muster/claimer/fence"
	"github.com/muster-go/muster/claimer/fence/etcdfence"
	"github.com/muster-go/muster/internal/etcdtest"
	"github.com/muster-go/muster/internal/servertest"
)

func TestMain(m *testing.M) { etcdtest.VerifyTestMain(m) }

const patience = 60 * time.Second

func testContext(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

func put(ctx context.Context, client *clientv3.Client, token uint64, value string) error {
	_, err := etcdfence.Do(ctx, client, "job/fence", token, clientv3.OpPut("job/state", value))
	return err
}

// requireJob checks what is there; "" stands for nothing.
func requireJob(t *testing.T, client *clientv3.Client, value string, fenceIs uint64) {
	t.Helper()
	response, seen, err := etcdfence.GetFenced(testContext(t), client, "job/fence", "job/state")
	require.NoError(t, err)
	got := ""
	if len(response.Kvs) > 0 {
		got = string(response.Kvs[0].Value)
	}
	require.Equal(t, []any{value, fenceIs}, []any{got, seen})
}

func TestDoRefusesATokenBelowTheFence(t *testing.T) {
	client := etcdtest.Start(t, etcdtest.Settings{}).Client()
	ctx := testContext(t)
	requireJob(t, client, "", 0)
	require.NoError(t, put(ctx, client, 9, "first"))
	requireJob(t, client, "first", 9)
	require.NoError(t, put(ctx, client, 9, "second"), "the same token")
	require.NoError(t, put(ctx, client, 10, "third"), "more digits")
	err := put(ctx, client, 9, "late")
	require.ErrorIs(t, err, fence.ErrStale)
	var stale *fence.StaleError
	require.ErrorAs(t, err, &stale)
	assert.Equal(t, fence.StaleError{What: `etcd key "job/fence"`, Token: 9, Fence: 10}, *stale)
	requireJob(t, client, "third", 10)
}

func TestDoAppliesConditionsOfTheProgramsOwnBehindTheFence(t *testing.T) {
	client := etcdtest.Start(t, etcdtest.Settings{}).Client()
	ctx := testContext(t)
	create := clientv3.OpTxn(
		[]clientv3.Cmp{clientv3.Compare(clientv3.CreateRevision("job/state"), "=", 0)},
		[]clientv3.Op{clientv3.OpPut("job/state", "made")},
		nil,
	)
	for n, made := range []bool{true, false} {
		responses, err := etcdfence.Do(ctx, client, "job/fence", uint64(3+n), clientv3.OpGet("job/state"), create)
		require.NoError(t, err)
		require.Len(t, responses, 2)
		assert.Equal(t, int64(n), responses[0].GetResponseRange().Count)
		assert.Equal(t, made, responses[1].GetResponseTxn().Succeeded)
	}
	requireJob(t, client, "made", 4)
	_, err := etcdfence.Do(ctx, client, "job/fence", 5)
	require.NoError(t, err, "without operations it raises the fence")
	requireJob(t, client, "made", 5)
}

func TestDoRefusesWhatCantBeFenced(t *testing.T) {
	client := etcdtest.Start(t, etcdtest.Settings{}).Client()
	ctx := testContext(t)
	require.ErrorIs(t, put(ctx, client, 0, "x"), fence.ErrInvalid)
	_, err := etcdfence.Do(ctx, client, "", 1)
	require.ErrorIs(t, err, fence.ErrInvalid)
	_, err = etcdfence.Do(ctx, client, "job/fence", 1, clientv3.OpPut("job/fence", strings.Repeat("0", 20)))
	require.Error(t, err, "nobody writes the fence key but Do")
	requireJob(t, client, "", 0)
	_, err = client.Put(ctx, "job/fence", "somebody else's")
	require.NoError(t, err)
	err = put(ctx, client, 1, "x")
	require.ErrorIs(t, err, fence.ErrInvalid)
	require.NotErrorIs(t, err, fence.ErrStale)
	_, _, err = etcdfence.GetFenced(ctx, client, "job/fence", "job/state")
	require.ErrorIs(t, err, fence.ErrInvalid)
}

func TestOfManyWritersAtOnceNoSmallerTokenFollowsAGreaterOne(t *testing.T) {
	server := etcdtest.Start(t, etcdtest.Settings{})
	client := server.Client()
	ctx := testContext(t)
	watched := client.Watch(ctx, "job/", clientv3.WithPrefix(), clientv3.WithRev(1))
	const writers, rounds = 8, 20
	var work sync.WaitGroup
	for w := range writers {
		work.Go(func() {
			for n := range rounds {
				token := uint64(1 + 5*n + w) // the writers' tokens overtake each other
				if err := put(ctx, client, token, fmt.Sprint(token)); err != nil {
					assert.ErrorIs(t, err, fence.ErrStale)
				}
			}
		})
	}
	work.Wait()
	require.NoError(t, put(ctx, client, 1000, "1000"))
	last := uint64(0)
	for last < 1000 {
		response, ok := <-watched
		require.True(t, ok)
		require.NoError(t, response.Err())
		for _, event := range response.Events {
			var token uint64
			_, err := fmt.Sscanf(string(event.Kv.Value), "%d", &token)
			require.NoError(t, err)
			require.GreaterOrEqual(t, token, last, "at revision %d", event.Kv.ModRevision)
			last = token
		}
	}
}

func TestAnAnswerThatWasLostSaysNothingAboutTheOutcome(t *testing.T) {
	server := etcdtest.Start(t, etcdtest.Settings{})
	proxy := servertest.NewProxy(t, server.Endpoint())
	client := etcdtest.NewClient(t, proxy.Endpoint())
	require.NoError(t, put(testContext(t), client, 3, "first"))
	proxy.HoldReplies()
	ctx, cancel := context.WithCancel(testContext(t))
	done := make(chan error)
	go func() { done <- put(ctx, client, 4, "second") }()
	direct := server.Client()
	require.Eventually(t, func() bool {
		_, seen, err := etcdfence.GetFenced(testContext(t), direct, "job/fence", "job/state")
		return err == nil && seen == 4
	}, patience, 5*time.Millisecond)
	require.NoError(t, put(testContext(t), direct, 5, "third"))
	cancel()
	err := <-done
	require.Error(t, err)
	require.NotErrorIs(t, err, fence.ErrStale, "it was applied")
	requireJob(t, direct, "third", 5)
}
