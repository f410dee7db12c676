package consulstore_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/claimer"
	"github.com/muster-go/muster/internal/servertest"
	"github.com/muster-go/muster/store"
	"github.com/muster-go/muster/store/consulstore"
)

func TestManyWatchesShareFewQueriesAndEachSeesItsOwn(t *testing.T) {
	t.Parallel()
	s := shared(t, "many/")
	f := newFront(t, s.Addr())
	d := open(t, "consul://"+f.addr()+"/many")
	defer func() { require.NoError(t, d.Close()) }()
	var watches []*watching
	var keys []string
	for i := range 120 {
		key := fmt.Sprintf("elections/%d/x", i)
		switch i % 3 {
		case 1:
			key = fmt.Sprintf("dir-%d/x", i)
		case 2:
			key = fmt.Sprintf("key-%d", i)
		}
		prefix := key
		if i%3 < 2 {
			prefix = key[:len(key)-1]
		}
		keys = append(keys, key)
		watches = append(watches, watch(t, d, prefix))
	}
	var all sync.WaitGroup
	for chunk := range 3 {
		all.Go(func() {
			for _, key := range keys[chunk*40 : (chunk+1)*40] {
				_, _ = d.Apply(t.Context(), []store.Write{{Kind: store.Create, Key: key}, {Kind: store.Create, Key: key + "-beside"}})
			}
		})
	}
	all.Wait()
	for i, w := range watches {
		w.sees(t, keys[i])
		w.mu.Lock()
		assert.LessOrEqual(t, len(w.events), 3, "%s hears of nothing else: %+v", keys[i], w.events)
		w.mu.Unlock()
	}
	assert.LessOrEqual(t, f.mostBlocking.Load(), int64(25))
	assert.GreaterOrEqual(t, f.mostBlocking.Load(), int64(8))
}

func TestAWatchThatJoinsAnotherOneShowsWhatWasWrittenBefore(t *testing.T) {
	t.Parallel()
	s := shared(t, "join/")
	d := open(t, "consul://"+s.Addr()+"/join")
	defer func() { require.NoError(t, d.Close()) }()
	watch(t, d, "")
	for i := range 30 {
		key := fmt.Sprintf("k%d", i)
		rev := apply(t, d, store.Write{Kind: store.Create, Key: key})
		w := watch(t, d, key)
		w.mu.Lock()
		first := w.events[0]
		w.mu.Unlock()
		require.Len(t, first.Records, 1)
		require.GreaterOrEqual(t, first.Rev, rev)
		apply(t, d, store.Write{Kind: store.Delete, Key: key, If: rev})
		w.misses(t, key)
		require.Equal(t, 2, w.count(), "%+v", w.events)
	}
}

// rewound makes the index of an answer smaller.
func rewound(answer *http.Response, by uint64) {
	if index, err := strconv.ParseUint(answer.Header.Get("X-Consul-Index"), 10, 64); err == nil {
		answer.Header.Set("X-Consul-Index", strconv.FormatUint(max(index-min(by, index), 1), 10))
	}
}

func TestAnIndexThatGoesBackwardsIsAReset(t *testing.T) {
	t.Parallel()
	s := shared(t, "backwards/")
	f := newFront(t, s.Addr())
	d := open(t, "consul://"+f.addr()+"/backwards")
	defer func() { require.NoError(t, d.Close()) }()
	rev := apply(t, d, store.Write{Kind: store.Create, Key: "k"})
	w := watch(t, d, "")
	f.changing(func(answer *http.Response) { rewound(answer, 1<<40) })
	snapshot, err := d.List(t.Context(), "none/")
	require.NoError(t, err)
	require.Less(t, snapshot.Rev, rev, "nobody hides it from the store above")
	w.has(t, store.EventReset)
	f.changing(nil)
	apply(t, d, store.Write{Kind: store.Create, Key: "later"})
	w.sees(t, "later")
}

func TestAnIndexThatIsMissingIsAnErrorAndNoHotLoop(t *testing.T) {
	t.Parallel()
	s := shared(t, "headless/")
	f := newFront(t, s.Addr())
	d := open(t, "consul://"+f.addr()+"/headless")
	defer func() { require.NoError(t, d.Close()) }()
	w := watch(t, d, "")
	f.changing(func(answer *http.Response) { answer.Header.Del("X-Consul-Index") })
	apply(t, d, store.Write{Kind: store.Create, Key: "k"})
	stale := w.has(t, store.EventStale)
	require.ErrorContains(t, stale.Err, "X-Consul-Index")
	_, err := d.List(t.Context(), "")
	require.ErrorContains(t, err, "X-Consul-Index")
	before := f.requests.Load()
	<-time.After(time.Second)
	assert.Less(t, f.requests.Load()-before, int64(20))
	f.changing(nil)
	w.sees(t, "k")
}

// A server that stops, and one whose store is restored, answer all queries at once with what was.
func TestAnswersThatTellNothingMakeNoHotLoopAndNoEvents(t *testing.T) {
	t.Parallel()
	s := shared(t, "nothing/")
	f := newFront(t, s.Addr())
	d := open(t, "consul://"+f.addr()+"/nothing")
	defer func() { require.NoError(t, d.Close()) }()
	apply(t, d, store.Write{Kind: store.Create, Key: "k"})
	w := watch(t, d, "")
	f.seeing(func(_ http.ResponseWriter, r *http.Request) bool {
		query := r.URL.Query()
		query.Del("index")
		query.Del("wait")
		r.URL.RawQuery = query.Encode()
		return false
	})
	apply(t, d, store.Write{Kind: store.Create, Key: "l"})
	w.sees(t, "l")
	before := f.requests.Load()
	<-time.After(2 * time.Second)
	assert.Less(t, f.requests.Load()-before, int64(50))
	assert.LessOrEqual(t, w.count(), 3, "the snapshot, and what is new, once: as a change or a reset")
}

func TestARecordThatTheTokenMayNotReadIsNoRecordThatWent(t *testing.T) {
	t.Parallel()
	s := shared(t, "filtered/")
	f := newFront(t, s.Addr())
	d := open(t, "consul://"+f.addr()+"/filtered")
	defer func() { require.NoError(t, d.Close()) }()
	apply(t, d, store.Write{Kind: store.Create, Key: "k"})
	w := watch(t, d, "")
	f.changing(func(answer *http.Response) {
		if answer.Request.URL.Query().Has("recurse") {
			answer.Header.Set("X-Consul-Results-Filtered-By-ACLs", "true")
			_ = answer.Body.Close()
			answer.Body, answer.ContentLength = io.NopCloser(bytes.NewReader([]byte("[]"))), 2
			answer.Header.Del("Content-Length")
		}
	})
	_, err := d.List(t.Context(), "")
	require.ErrorIs(t, err, store.ErrUnauthorized)
	apply(t, d, store.Write{Kind: store.Create, Key: "l"})
	require.ErrorIs(t, w.returns(t), store.ErrUnauthorized)
	w.mu.Lock()
	defer w.mu.Unlock()
	assert.Contains(t, w.view, "k")
}

// The store is restored, and before anybody looks again another program has written so much that no
// index is smaller than before.
func TestARestoreThatLaterCommitsHideIsAResetAllTheSame(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, servertest.Consul)
	c := admin(t, s)
	f := newFront(t, s.Addr())
	d := open(t, "consul://"+f.addr()+"/hidden")
	defer func() { require.NoError(t, d.Close()) }()
	rev := apply(t, d, store.Write{Kind: store.Create, Key: "k", Value: []byte("old")})
	w := watch(t, d, "")
	saved, _, err := c.Snapshot().Save(nil)
	require.NoError(t, err)
	image, err := io.ReadAll(saved)
	require.NoError(t, errors.Join(err, saved.Close()))
	next := apply(t, d, store.Write{Kind: store.Update, Key: "k", If: rev, Value: []byte("new")})
	w.until(t, "the update", func() bool { return w.view["k"].ModRev == next })

	written := false
	f.seeing(func(_ http.ResponseWriter, r *http.Request) bool {
		if !written && r.URL.Query().Get("index") == "" && r.Method == http.MethodGet {
			for !written { // its leader comes to itself
				_, err := c.KV().Put(&api.KVPair{Key: "elsewhere"}, nil)
				written = err == nil
			}
		}
		return false
	})
	require.NoError(t, c.Snapshot().Restore(nil, bytes.NewReader(image)))
	w.until(t, "the old value", func() bool { return w.view["k"].ModRev == rev })
	assert.Equal(t, "old", string(w.view["k"].Value))
	w.has(t, store.EventReset)
}

func TestARestoredSnapshotIsAResetAtOnceAndEndsLeases(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, servertest.Consul)
	c := admin(t, s)
	d := open(t, "consul://"+s.Addr()+"/restore")
	defer func() { require.NoError(t, d.Close()) }()
	openers := store.Openers{"consul": consulstore.Open}
	st, err := openers.Open(t.Context(), "consul://"+s.Addr()+"/restore?fresh=true", store.Config{})
	require.NoError(t, err)
	defer func() { require.NoError(t, st.Close()) }()
	queue, err := claimer.New(claimer.Config{Store: st, TTL: time.Minute})
	require.NoError(t, err)
	defer func() { require.NoError(t, queue.Close()) }()
	claim, err := queue.Claim(t.Context(), claimer.Candidate{Name: "web", Holder: "box#1"}, 10*time.Second)
	require.NoError(t, err)
	apply(t, d, store.Write{Kind: store.Create, Key: "mine/before"})
	w := watch(t, d, "mine/")

	saved, _, err := c.Snapshot().Save(nil)
	require.NoError(t, err)
	image, err := io.ReadAll(saved)
	require.NoError(t, errors.Join(err, saved.Close()))
	apply(t, d, store.Write{Kind: store.Create, Key: "mine/after"})
	w.sees(t, "mine/after")
	_, err = queue.Claim(t.Context(), claimer.Candidate{Name: "other", Holder: "box#1"}, 10*time.Second)
	require.NoError(t, err) // and so this process has seen what the snapshot doesn't have
	held, err := queue.Hold(claim)
	require.NoError(t, err)
	defer held.Release()
	events := w.count()

	began := time.Now()
	require.NoError(t, c.Snapshot().Restore(nil, bytes.NewReader(image)))
	select {
	case <-held.Lost():
	case <-time.After(time.Minute):
		require.Fail(t, "the lease goes on in a store that was restored")
	}
	t.Logf("the lease was lost %v after the restore was begun", time.Since(began))
	reset := w.has(t, store.EventReset)
	require.Len(t, reset.Records, 1)
	require.Greater(t, w.count(), events)
	// Consul's log goes on from where it was.
	_, err = c.KV().Put(&api.KVPair{Key: "restore/mine/later"}, nil)
	require.NoError(t, err)
	w.sees(t, "mine/later")
}
