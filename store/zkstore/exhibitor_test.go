package zkstore_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/internal/bootclock"
	"github.com/muster-go/muster/internal/servertest"
	"github.com/muster-go/muster/store"
	"github.com/muster-go/muster/store/zkstore"
)

// exhibitor lists servers, as Exhibitor does.
type exhibitor struct {
	*httptest.Server

	mu     sync.Mutex
	status int
	answer string
	asked  int
}

func newExhibitor(t *testing.T, answer string) *exhibitor {
	e := &exhibitor{status: http.StatusOK, answer: answer}
	e.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		e.mu.Lock()
		defer e.mu.Unlock()
		if r.URL.Path != "/exhibitor/v1/cluster/list" {
			http.NotFound(w, r)
			return
		}
		e.asked++
		w.WriteHeader(e.status)
		_, _ = w.Write([]byte(e.answer))
	}))
	t.Cleanup(e.Close)
	return e
}

func (e *exhibitor) now(status int, answer string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.status, e.answer, e.asked = status, answer, 0
}

// times is how often it was asked since its answer was changed.
func (e *exhibitor) times() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.asked
}

func (e *exhibitor) host() string { return strings.TrimPrefix(e.URL, "http://") }

func listing(t *testing.T, port int, servers ...string) string {
	t.Helper()
	text, err := json.Marshal(map[string]any{"servers": servers, "port": port})
	require.NoError(t, err)
	return string(text)
}

func openExhibitor(t *testing.T, rawURL string) (store.Driver, error) {
	t.Helper()
	return store.Openers{"exhibitor": zkstore.OpenExhibitor}.OpenDriver(t.Context(), rawURL, bootclock.Clock)
}

func TestExhibitor(t *testing.T) {
	t.Parallel()
	server := servertest.Shared(t, servertest.ZooKeeper)
	at := root("exhibited")

	t.Run("says where ZooKeeper is", func(t *testing.T) {
		e := newExhibitor(t, listing(t, server.Port(0), "127.0.0.1"))
		d, err := openExhibitor(t, "exhibitor://"+e.host()+at)
		require.NoError(t, err)
		create(t, d, "a", "")
		require.NoError(t, d.Close())
		direct := open(t, "zk://"+server.Addr()+at)
		defer func() { require.NoError(t, direct.Close()) }()
		assert.Equal(t, []string{"a"}, keys(t, direct, ""))
	})
	t.Run("one that answers is enough", func(t *testing.T) {
		e := newExhibitor(t, listing(t, server.Port(0), "127.0.0.1"))
		d, err := openExhibitor(t, "exhibitor://127.0.0.1:1,"+e.host()+at)
		require.NoError(t, err)
		require.NoError(t, d.Close())
	})
	t.Run("that is away says so", func(t *testing.T) {
		_, err := openExhibitor(t, "exhibitor://127.0.0.1:1"+at)
		require.ErrorIs(t, err, store.ErrUnreachable)
		require.ErrorContains(t, err, "exhibitor 127.0.0.1:1: ")
	})
	for name, answer := range map[string]string{
		"no JSON": "<html>", "no port": `{"servers":["127.0.0.1"]}`, "a nameless server": `{"servers":[""],"port":2181}`,
	} {
		t.Run("whose answer has "+name+" is refused", func(t *testing.T) {
			_, err := openExhibitor(t, "exhibitor://"+newExhibitor(t, answer).host()+at)
			require.ErrorIs(t, err, zkstore.ErrBadResponse)
		})
	}
	t.Run("that isn't well is refused", func(t *testing.T) {
		e := newExhibitor(t, "")
		e.now(http.StatusInternalServerError, "")
		_, err := openExhibitor(t, "exhibitor://"+e.host()+at)
		require.ErrorIs(t, err, zkstore.ErrBadResponse)
		require.ErrorContains(t, err, "500")
	})
	t.Run("that lists nobody is refused", func(t *testing.T) {
		_, err := openExhibitor(t, "exhibitor://"+newExhibitor(t, listing(t, 2181)).host()+at)
		require.ErrorIs(t, err, zkstore.ErrEmptyServerList)
	})
}

func TestExhibitorsChangesAreFollowedAndItsLatestListIsKeptWhileItIsAway(t *testing.T) {
	t.Parallel()
	server := servertest.Shared(t, servertest.ZooKeeper)
	first, second := servertest.NewProxy(t, server.Addr()), servertest.NewProxy(t, server.Addr())
	list := func(p *servertest.Proxy) string {
		host, port, _ := strings.Cut(p.Endpoint(), ":")
		return `{"servers":["` + host + `"],"port":` + port + `}`
	}
	e := newExhibitor(t, list(first))
	d, err := openExhibitor(t, "exhibitor://"+e.host()+root("followed")+"?poll=20ms")
	require.NoError(t, err)
	defer func() { require.NoError(t, d.Close()) }()
	id, err := d.Grant(t.Context(), 30*time.Second)
	require.NoError(t, err)

	asked := func() bool { return e.times() >= 2 }
	e.now(http.StatusOK, list(second))
	require.Eventually(t, asked, time.Minute, time.Millisecond)
	for _, bad := range []string{"junk", listing(t, 2181)} {
		e.now(http.StatusOK, bad)
		require.Eventually(t, asked, time.Minute, time.Millisecond)
	}
	e.Close()
	first.Cut()
	require.Eventually(t, func() bool { return d.Renew(t.Context(), id) == nil }, 25*time.Second, time.Millisecond, "by the second server")
	create(t, d, "a", id)
	toServer, _ := second.Bytes()
	assert.Positive(t, toServer)
}
