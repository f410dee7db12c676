package consulstore_test

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/internal/servertest"
	"github.com/muster-go/muster/store"
	"github.com/muster-go/muster/store/consulstore"
)

func TestHowManyRequestsWritesTake(t *testing.T) {
	t.Parallel()
	s := shared(t, "cost/")
	d := open(t, "consul://"+s.Addr()+"/cost")
	defer func() { require.NoError(t, d.Close()) }()
	a, err := d.Grant(t.Context(), time.Minute)
	require.NoError(t, err)
	b, err := d.Grant(t.Context(), time.Minute)
	require.NoError(t, err)
	costs := func(want int, what string, do func()) {
		t.Helper()
		before := consulstore.Requests(d)
		do()
		assert.Equal(t, want, consulstore.Requests(d)-before, what)
	}
	var rev uint64
	write := func(w store.Write) func() {
		return func() { w.If = rev; rev = apply(t, d, w) }
	}
	costs(1, "a create", write(store.Write{Kind: store.Create, Key: "k", Session: a}))
	costs(1, "an update by the same owner", write(store.Write{Kind: store.Update, Key: "k", Session: a}))
	costs(3, "another owner", write(store.Write{Kind: store.Update, Key: "k", Session: b}))
	costs(3, "no owner", write(store.Write{Kind: store.Update, Key: "k"}))
	costs(1, "an owner after none", write(store.Write{Kind: store.Update, Key: "k", Session: b}))
	costs(1, "a delete", write(store.Write{Kind: store.Delete, Key: "k"}))
	batch := make([]store.Write, 32)
	for i := range batch {
		batch[i] = store.Write{Kind: store.Create, Key: fmt.Sprint(i), Session: a}
	}
	costs(1, "32 creates", func() {
		outcomes, err := d.Apply(t.Context(), batch)
		require.NoError(t, err)
		for _, o := range outcomes {
			require.NoError(t, o.Err)
		}
	})
	for i := range batch {
		batch[i].Key = fmt.Sprint(i + 20)
	}
	costs(2, "32 creates of which 12 conflict", func() {
		outcomes, err := d.Apply(t.Context(), batch)
		require.NoError(t, err)
		for i, o := range outcomes {
			require.Equal(t, i < 12, o.Err != nil, "%d: %v", i, o.Err)
		}
	})
}

func TestAnUpdateThatChangesNothingIsACommitAllTheSame(t *testing.T) {
	t.Parallel()
	s := shared(t, "same/")
	d := open(t, "consul://"+s.Addr()+"/same")
	defer func() { require.NoError(t, d.Close()) }()
	id, err := d.Grant(t.Context(), time.Minute)
	require.NoError(t, err)
	for _, owner := range []store.SessionID{"", id} {
		key := "k" + string(owner)
		rev := apply(t, d, store.Write{Kind: store.Create, Key: key, Value: []byte("v"), Session: owner})
		for range 3 {
			next := apply(t, d, store.Write{Kind: store.Update, Key: key, If: rev, Value: []byte("v"), Session: owner})
			require.Greater(t, next, rev)
			rev = next
		}
	}
}

func TestValuesUpToTheLimitAreWrittenAndLargerOnesRefused(t *testing.T) {
	t.Parallel()
	s := shared(t, "large/")
	d := open(t, "consul://"+s.Addr()+"/large")
	defer func() { require.NoError(t, d.Close()) }()
	a, err := d.Grant(t.Context(), time.Minute)
	require.NoError(t, err)
	b, err := d.Grant(t.Context(), time.Minute)
	require.NoError(t, err)
	most := bytes.Repeat([]byte{0xFF}, d.Limits().MaxValue)
	rev := apply(t, d, store.Write{Kind: store.Create, Key: "k", Session: a, Value: most})
	apply(t, d, store.Write{Kind: store.Update, Key: "k", If: rev, Session: b, Value: most})
	var writes []store.Write
	for i := range 5 {
		writes = append(writes, store.Write{Kind: store.Create, Key: fmt.Sprint(i), Value: most})
	}
	writes = append(writes, store.Write{Kind: store.Create, Key: "too-large", Value: append(most, 0)})
	outcomes, err := d.Apply(t.Context(), writes)
	require.NoError(t, err)
	for _, o := range outcomes[:5] {
		require.NoError(t, o.Err)
	}
	require.ErrorIs(t, outcomes[5].Err, store.ErrInvalid)
	snapshot, err := d.List(t.Context(), "k")
	require.NoError(t, err)
	require.Equal(t, b, snapshot.Records[0].Session)
	require.True(t, bytes.Equal(most, snapshot.Records[0].Value))
}

func TestAServerThatTakesLessInOneRequestIsGivenLess(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, servertest.ConsulWith(func(*servertest.Server) string {
		return `{"limits": {"txn_max_req_len": 20000, "kv_max_value_size": 20000}}`
	}))
	d := open(t, "consul://"+s.Addr()+"/small")
	defer func() { require.NoError(t, d.Close()) }()
	var writes []store.Write
	for i := range 30 {
		writes = append(writes, store.Write{Kind: store.Create, Key: fmt.Sprint(i), Value: bytes.Repeat([]byte{'x'}, 2000)})
	}
	writes = append(writes, store.Write{Kind: store.Create, Key: "never", Value: make([]byte, 30_000)})
	outcomes, err := d.Apply(t.Context(), writes)
	require.NoError(t, err)
	for i, o := range outcomes[:30] {
		require.NoError(t, o.Err, "write %d", i)
	}
	require.ErrorIs(t, outcomes[30].Err, store.ErrInvalid)
	snapshot, err := d.List(t.Context(), "")
	require.NoError(t, err)
	require.Len(t, snapshot.Records, 30)
}

func TestWhatIsKnownOfAWriteThatFailed(t *testing.T) {
	t.Parallel()
	s := shared(t, "known/")
	f := newFront(t, s.Addr())
	d := open(t, "consul://"+f.addr()+"/known")
	defer func() { require.NoError(t, d.Close()) }()
	for text, want := range map[string]struct {
		code    int
		refused bool
	}{
		"No cluster leader": {500, true},
		"Your IP is issuing too many concurrent connections":          {429, true},
		"Request body too large":                                      {413, true},
		"rpc error making call: leadership lost while committing log": {500, false},
		"rpc error making call: EOF":                                  {500, false},
		"upstream connect error":                                      {503, false},
	} {
		f.changing(func(answer *http.Response) {
			if strings.HasSuffix(answer.Request.URL.Path, "/txn") {
				says(answer, want.code, text)
			}
		})
		_, err := d.Apply(t.Context(), []store.Write{{Kind: store.Create, Key: store.Escape(text)}})
		require.Error(t, err, text)
		assert.ErrorContains(t, err, text)
		require.NotErrorIs(t, err, store.ErrGone, text)
		if want.refused {
			require.ErrorIs(t, err, store.ErrRefused, text)
		} else {
			require.NotErrorIs(t, err, store.ErrRefused, text)
		}
		require.NotErrorIs(t, err, store.ErrConflict, text)
	}
	f.changing(nil)
	apply(t, d, store.Write{Kind: store.Create, Key: "after"})
}

func TestALostReplyLeavesTheOutcomeUnknown(t *testing.T) {
	t.Parallel()
	s := shared(t, "lost/")
	proxy := servertest.NewProxy(t, s.Addr())
	d := open(t, "consul://"+proxy.Endpoint()+"/lost")
	defer func() { require.NoError(t, d.Close()) }()
	other := open(t, "consul://"+s.Addr()+"/lost")
	defer func() { require.NoError(t, other.Close()) }()
	proxy.HoldReplies()
	done := make(chan error, 1)
	go func() {
		_, err := d.Apply(t.Context(), []store.Write{{Kind: store.Create, Key: "k"}})
		done <- err
	}()
	require.Eventually(t, func() bool {
		snapshot, err := other.List(t.Context(), "k")
		return err == nil && len(snapshot.Records) == 1
	}, time.Minute, 5*time.Millisecond)
	proxy.Cut()
	err := <-done
	require.Error(t, err)
	require.NotErrorIs(t, err, store.ErrRefused)
	require.NotErrorIs(t, err, store.ErrGone)
	proxy.Heal()
}
