package endurance_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/juju/worker/v4"
	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/internal/endurance/endurancetest"
	"github.com/muster-go/muster/internal/etcdtest"
	"github.com/muster-go/muster/store"
	"github.com/muster-go/muster/store/etcdstore"
	"github.com/muster-go/muster/store/memstore"
	"github.com/muster-go/muster/store/sqlstore"
)

// patience bounds every wait, on however busy a machine.
const patience = 2 * time.Minute

func TestMain(m *testing.M) {
	slog.SetDefault(quiet)
	etcdtest.VerifyTestMain(m)
}

var quiet = slog.New(slog.DiscardHandler)

// place is where stores are opened.
type place struct {
	name    string
	url     string
	openers store.Openers
	ttl     time.Duration // short
	cycles  int           // that take little time: 1,000 where a cycle takes less than 10 ms
}

// places are one of each driver.
func places(t *testing.T) []place {
	return []place{inMemory(), onSQLite(t), onEtcd(t)}
}

// inMemory is a service in memory, which all stores that are opened share.
func inMemory() place {
	openers := store.Openers{"mem": memstore.Opener(memstore.NewService(wall))}
	return place{name: "memory", url: "mem://", openers: openers, ttl: time.Second, cycles: 1000}
}

func onSQLite(t *testing.T) place {
	// Who has just written to SQLite gives way to others, and a cycle has several writes: with the race
	// detector it takes 10 to 100 ms.
	return place{
		name: "SQLite", url: "sqlite://" + filepath.Join(folder(t), "muster.db"),
		openers: store.Openers{"sqlite": sqlstore.OpenSQLite}, ttl: time.Second, cycles: 20,
	}
}

// folder is in memory where there is such a disk: what is looked at isn't how long a disk takes.
func folder(t *testing.T) string {
	dir, err := os.MkdirTemp("/dev/shm", "muster-endurance-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func onEtcd(t *testing.T) place {
	// With the race detector a cycle takes 10 to 40 ms.
	return place{
		name: "etcd", url: etcdtest.URL("endurance", startServer(t).endpoint) + "?fresh=true",
		openers: store.Openers{"etcd": etcdstore.Open}, ttl: 2 * time.Second, cycles: 20,
	}
}

// open opens a store with what else it is made of.
func (p place) open() (*store.Store, error) {
	ctx, cancel := soon()
	defer cancel()
	return p.openers.Open(ctx, p.url, store.Config{Logger: quiet})
}

func soon() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), patience)
}

// run is a course of the kit, in several lanes; oneByOne has one.
func run(t *testing.T, cycles int, cycle func(i int) error) {
	t.Helper()
	endurancetest.Run(t, endurancetest.Course{Cycles: cycles, Lanes: 4}, cycle)
}

// end stops a worker.
func end(w worker.Worker) error {
	w.Kill()
	return w.Wait()
}

// want is nil if err is one of those that are wanted.
func want(err error, wanted ...error) error {
	for _, w := range wanted {
		if errors.Is(err, w) {
			return nil
		}
	}
	return fmt.Errorf("got %v, want %v", err, wanted)
}

// hears waits until a channel is closed.
func hears(what string, c <-chan struct{}) error {
	select {
	case <-c:
		return nil
	case <-time.After(patience):
		return fmt.Errorf("%s: nothing within %v", what, patience)
	}
}

// refusing opens no store.
func refusing(err error) store.Opener {
	return func(context.Context, *url.URL, store.Clock) (store.Driver, error) { return nil, err }
}

// must has the test fail.
func must[T any](t *testing.T) func(value T, err error) T {
	return func(value T, err error) T {
		t.Helper()
		require.NoError(t, err)
		return value
	}
}

func oneByOne(t *testing.T, cycles int, cycle func(i int) error) {
	t.Helper()
	endurancetest.Run(t, endurancetest.Course{Cycles: cycles}, cycle)
}
