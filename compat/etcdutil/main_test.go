package etcdutil_test

import (
	"context"
	"flag"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	etcd "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"github.com/muster-go/muster/compat/etcdutil"
	"github.com/muster-go/muster/internal/etcdtest"
)

// most is how long tests wait for what must come, on however busy a machine.
const most = 30 * time.Second

// slack is what a busy machine may add to a bound on real time.
const slack = 3 * time.Second

// quiet is for clients of etcd.
var quiet = zap.NewNop()

func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler))
	for _, variable := range os.Environ() { // that of who runs the tests is none of theirs
		if name, _, _ := strings.Cut(variable, "="); strings.HasPrefix(name, "ETCD3_") {
			_ = os.Unsetenv(name)
		}
	}
	flag.Parse()
	_ = flag.Set("test.parallel", "6") // they wait for leases to end, most of the time
	etcdtest.VerifyTestMain(m)
}

// recorder is an observer that keeps what it hears, in order.
type recorder[T any] struct {
	mu    sync.Mutex
	heard []T
	taken int
	more  chan struct{} // capacity 1
}

func newRecorder[T any]() *recorder[T] { return &recorder[T]{more: make(chan struct{}, 1)} }

func (r *recorder[T]) observe(v T) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.heard = append(r.heard, v)
	select {
	case r.more <- struct{}{}:
	default:
	}
}

// all gives what was heard and not yet taken.
func (r *recorder[T]) all() []T {
	r.mu.Lock()
	defer r.mu.Unlock()
	rest := append([]T(nil), r.heard[r.taken:]...)
	r.taken = len(r.heard)
	return rest
}

// next waits for the next that is heard.
func (r *recorder[T]) next(t testing.TB) T {
	t.Helper()
	late := time.After(most)
	for {
		r.mu.Lock()
		if r.taken < len(r.heard) {
			v := r.heard[r.taken]
			r.taken++
			r.mu.Unlock()
			return v
		}
		r.mu.Unlock()
		select {
		case <-r.more:
		case <-late:
			require.FailNow(t, "the observer hears nothing")
		}
	}
}

type events = recorder[etcdutil.ElectionEvent]

func newEvents() *events { return newRecorder[etcdutil.ElectionEvent]() }

var (
	lowered = etcdutil.ElectionEvent{}
	done    = etcdutil.ElectionEvent{IsDone: true}
)

// conf is a candidate's in the election "scout". Its lease is too long to end while the machine is busy.
func conf(candidate string, heard *events) etcdutil.ElectionConfig {
	c := etcdutil.ElectionConfig{Election: "scout", Candidate: candidate, TTL: 60}
	if heard != nil {
		c.EventObserver = heard.observe
	}
	return c
}

// elect is NewElection, which must succeed.
func elect(t testing.TB, client *etcd.Client, c etcdutil.ElectionConfig) *etcdutil.Election {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), most)
	defer cancel()
	e, err := etcdutil.NewElection(ctx, client, c)
	require.NoError(t, err)
	t.Cleanup(e.Close)
	return e
}

// keys gives the keys below a prefix, in the order of their creation.
func keys(t testing.TB, client *etcd.Client, prefix string) []string {
	t.Helper()
	resp, err := client.Get(context.Background(), prefix, etcd.WithPrefix(), etcd.WithSort(etcd.SortByCreateRevision, etcd.SortAscend))
	require.NoError(t, err)
	var found []string
	for _, kv := range resp.Kvs {
		found = append(found, string(kv.Key))
	}
	return found
}

// leases gives all leases of an etcd.
func leases(t testing.TB, client *etcd.Client) []etcd.LeaseID {
	t.Helper()
	resp, err := client.Leases(context.Background())
	require.NoError(t, err)
	var found []etcd.LeaseID
	for _, l := range resp.Leases {
		found = append(found, l.ID)
	}
	slices.Sort(found)
	return found
}
