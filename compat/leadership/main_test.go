package leadership_test

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/compat/leadership"
	"github.com/muster-go/muster/internal/bootclock"
	"github.com/muster-go/muster/internal/servertest"
	"github.com/muster-go/muster/store"
	"github.com/muster-go/muster/store/memstore"
)

func TestMain(m *testing.M) { servertest.VerifyTestMain(m) }

// ttl is for how long a claim lasts by default: 30s × 1.2 + 1s.
const ttl = 37 * time.Second

var quiet = slog.New(slog.DiscardHandler)

// database is a service in memory, on which processes can be cut off.
type database struct {
	*testing.T
	service *memstore.Service
}

// in runs a test in a bubble, on a database of its own.
func in(t *testing.T, f func(db *database)) {
	synctest.Test(t, func(t *testing.T) { f(&database{t, memstore.NewService(bootclock.Clock)}) })
}

// link is one process's way to the database.
type link struct {
	service *memstore.Service
	mu      sync.Mutex
	hangs   chan struct{} // closed: the way is free; calls wait, whatever their contexts say
	err     error         // what calls give
}

func (db *database) link() *link {
	l := &link{service: db.service, hangs: make(chan struct{})}
	close(l.hangs)
	db.Cleanup(l.heal)
	return l
}

func (l *link) freeze() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.hangs = make(chan struct{})
}

func (l *link) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.err = err
}

func (l *link) heal() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.err = nil
	select {
	case <-l.hangs:
	default:
		close(l.hangs)
	}
}

func (l *link) pass() error {
	l.mu.Lock()
	hangs := l.hangs
	l.mu.Unlock()
	<-hangs
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

func (l *link) open(context.Context) (store.Driver, error) {
	if err := l.pass(); err != nil {
		return nil, err
	}
	return &linked{l.service.Open(), l}, nil
}

// linked is a driver that is reached by a link.
type linked struct {
	store.Driver
	*link
}

// Proof implements store.Driver: no database server can give one.
func (d *linked) Proof(context.Context) (bool, error) { return false, nil }

func (d *linked) Grant(ctx context.Context, ttl time.Duration) (store.SessionID, error) {
	if err := d.pass(); err != nil {
		return "", err
	}
	return d.Driver.Grant(ctx, ttl)
}

func (d *linked) Renew(ctx context.Context, id store.SessionID) error {
	if err := d.pass(); err != nil {
		return err
	}
	return d.Driver.Renew(ctx, id)
}

func (d *linked) Revoke(ctx context.Context, id store.SessionID) error {
	if err := d.pass(); err != nil {
		return err
	}
	return d.Driver.Revoke(ctx, id)
}

func (d *linked) Apply(ctx context.Context, writes []store.Write) ([]store.Outcome, error) {
	if err := d.pass(); err != nil {
		return nil, err
	}
	return d.Driver.Apply(ctx, writes)
}

func (d *linked) List(ctx context.Context, prefix string) (store.Snapshot, error) {
	if err := d.pass(); err != nil {
		return store.Snapshot{}, err
	}
	return d.Driver.List(ctx, prefix)
}

// builder is a complete one for a process on a link.
func builder(l *link, process string) *leadership.FlagBuilder {
	return leadership.NewFlag().Name("jobs").Process(process).Logger(quiet).Fresh(true).Open(l.open)
}

func (db *database) build(b *leadership.FlagBuilder) *leadership.Flag {
	db.Helper()
	f, err := b.Build(context.Background())
	require.NoError(db, err)
	db.Cleanup(func() { _ = f.Close() })
	return f
}

// flag gives a process's flag with the default settings.
func (db *database) flag(process string) (*leadership.Flag, *link) {
	db.Helper()
	l := db.link()
	return db.build(builder(l, process)), l
}

// settle lets everything that is due happen, and no more.
func settle() {
	time.Sleep(50 * time.Millisecond)
	synctest.Wait()
}
