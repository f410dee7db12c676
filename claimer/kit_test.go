package claimer_test

import (
	"log/slog"
	"net/url"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/muster-go/muster/claimer"
	"github.com/muster-go/muster/claimer/claimertest"
	"github.com/muster-go/muster/internal/bootclock"
	"github.com/muster-go/muster/store"
	"github.com/muster-go/muster/store/memstore"
	"github.com/muster-go/muster/store/sqlstore"
	"github.com/muster-go/muster/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const ttl = 10 * time.Second

// process is one process's view: a store of its own on the shared service, and a queue.
type process struct {
	*claimer.Queue
	store  *store.Store
	faults *storetest.Faults
}

// processes opens views and remembers them by their queue.
type processes struct {
	ttl  time.Duration
	open func(t testing.TB) store.Driver

	mu  sync.Mutex
	all map[claimer.Claimer]*process
}

func (ps *processes) start(t testing.TB) *process {
	faults := storetest.WithFaults(ps.open(t), bootclock.Clock)
	log := slog.New(slog.DiscardHandler)
	st, err := store.New(store.Config{Driver: faults, Logger: log})
	require.NoError(t, err)
	q, err := claimer.New(claimer.Config{Store: st, TTL: ps.ttl, Logger: log})
	require.NoError(t, err)
	p := &process{q, st, faults}
	t.Cleanup(func() {
		faults.Heal()
		_ = q.Close()
		_ = st.Close()
	})
	ps.mu.Lock()
	defer ps.mu.Unlock()
	ps.all[q] = p
	return p
}

func (ps *processes) of(c claimer.Claimer) *process {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	return ps.all[c]
}

func (ps *processes) harness() claimertest.Harness {
	break_ := func(kind storetest.FaultKind) func(claimer.Claimer) {
		return func(c claimer.Claimer) { ps.of(c).faults.Inject(storetest.Fault{Kind: kind}) }
	}
	return claimertest.Harness{
		Open:          func(t testing.TB) claimer.Claimer { return ps.start(t).Queue },
		Duration:      ps.ttl * 8 / 10,
		WorstFailover: ps.ttl*101/100 + time.Second,
		Cut:           break_(storetest.Fail),
		Freeze:        break_(storetest.Hang),
		Heal:          func(c claimer.Claimer) { ps.of(c).faults.Heal() },
		Kill:          break_(storetest.Hang),
	}
}

// memory gives processes on a new memory store.
func memory() *processes {
	service := memstore.NewService(bootclock.Clock)
	return &processes{
		ttl:  ttl,
		open: func(testing.TB) store.Driver { return service.Open() },
		all:  map[claimer.Claimer]*process{},
	}
}

func TestQueueOnTheMemoryStorePassesTheKit(t *testing.T) {
	for _, check := range claimertest.Checks() {
		t.Run(check.Name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { check.Run(t, memory().harness()) })
		})
	}
}

func TestQueueOnSQLitePassesTheKit(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute: left out by -short")
	}
	path := filepath.Join(t.TempDir(), "store", "muster.db")
	ps := &processes{
		ttl: 2 * time.Second, // the driver can do 1 s, but not a disk that takes half of that to sync
		open: func(t testing.TB) store.Driver {
			d, err := sqlstore.OpenSQLite(t.Context(), &url.URL{Scheme: "sqlite", Path: path}, bootclock.Clock)
			require.NoError(t, err)
			return d
		},
		all: map[claimer.Claimer]*process{},
	}
	claimertest.Run(t, ps.harness())
}
