package endurance_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/juju/worker/v4"
	"github.com/juju/worker/v4/dependency"
	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/claimer"
	"github.com/muster-go/muster/engine"
	"github.com/muster-go/muster/internal/etcdtest"
	"github.com/muster-go/muster/internal/servertest"
	"github.com/muster-go/muster/manifold"
	"github.com/muster-go/muster/store"
	"github.com/muster-go/muster/store/etcdstore"
	"github.com/muster-go/muster/store/memstore"
	"github.com/muster-go/muster/store/storetest"
	"github.com/muster-go/muster/tracker"
)

// fleet is three members that stand in one election on one service: two of a tracker each, and one
// of an engine with gates.
type fleet struct {
	name    string
	ttl     time.Duration
	floor   floor
	members []*member
	faults  []fault
	rand    *rand.Rand
	steps   []string // what was done to it
}

// fault is something that goes wrong for a while.
type fault struct {
	name string
	do   func(m *member, lasts time.Duration) error
}

// member is what one process would be.
type member struct {
	fleet  *fleet
	name   string
	url    string
	open   store.Opener                     // under the faults
	driver atomic.Pointer[storetest.Faults] // the latest
	proxy  *servertest.Proxy                // nil: none
	engine *engine.Engine                   // nil: a tracker

	store   *store.Store
	queue   *claimer.Queue
	tracker *tracker.Worker
	stop    context.CancelFunc
	loop    sync.WaitGroup

	election atomic.Pointer[manifold.Election] // of the engine's tracker
}

func (m *member) openers() store.Openers {
	open := func(ctx context.Context, u *url.URL, clk store.Clock) (store.Driver, error) {
		driver, err := m.open(ctx, u, clk)
		if err != nil {
			return nil, err
		}
		faults := storetest.WithFaults(driver, clk)
		m.driver.Store(faults)
		return faults, nil
	}
	return store.Openers{"mem": open, "sqlite": open, "etcd": open}
}

// newFleet makes a fleet whose members run; it ends with the test.
func newFleet(t *testing.T, name string, ttl time.Duration, seed uint64, of func(i int, m *member)) *fleet {
	t.Helper()
	f := &fleet{name: name, ttl: ttl, rand: rand.New(rand.NewPCG(seed, uint64(name[0])))}
	f.faults = []fault{
		{"calls hang, or fail", (*member).disturb},
		{"calls hang, or fail", (*member).disturb},
		{"renewals fail", (*member).expire},
		{"resigns", (*member).resign},
		{"is restarted", (*member).restart},
		{"dies", (*member).die},
		{"a part is bounced", (*member).bounce},
		{"a gate comes and goes", (*member).regate},
	}
	for i, name := range []string{"a", "b", "c"} {
		m := &member{fleet: f, name: name}
		of(i, m)
		f.members = append(f.members, m)
		require.NoError(t, m.start())
	}
	t.Cleanup(func() {
		for _, m := range f.members {
			require.NoError(t, m.end(), "%s: %s", f.name, m.name)
		}
	})
	return f
}

func memoryFleet(t *testing.T, seed uint64) *fleet {
	service := memstore.NewService(wall)
	f := newFleet(t, "memory", 500*time.Millisecond, seed, func(_ int, m *member) {
		m.url, m.open = "mem://", memstore.Opener(service)
	})
	f.faults = append(f.faults,
		fault{"the service is away", func(_ *member, lasts time.Duration) error {
			service.Stop()
			<-time.After(lasts)
			service.Start()
			return nil
		}},
		fault{"the service restarts", func(*member, time.Duration) error { service.Restart(); return nil }},
	)
	return f
}

func sqliteFleet(t *testing.T, seed uint64) *fleet {
	p := onSQLite(t)
	return newFleet(t, p.name, p.ttl, seed, func(_ int, m *member) { m.url, m.open = p.url, p.openers["sqlite"] })
}

func etcdFleet(t *testing.T, seed uint64) *fleet {
	server := startServer(t)
	f := newFleet(t, "etcd", 2*time.Second, seed, func(_ int, m *member) {
		m.proxy = servertest.NewProxy(t, server.endpoint)
		m.url, m.open = etcdtest.URL("soak", m.proxy.Endpoint())+"?fresh=true", etcdstore.Open
	})
	through := func(name string, do func(*servertest.Proxy)) fault {
		return fault{name, func(m *member, lasts time.Duration) error {
			do(m.proxy)
			<-time.After(lasts)
			m.proxy.Heal()
			return nil
		}}
	}
	f.faults = append(f.faults,
		through("black hole", (*servertest.Proxy).BlackHole), through("replies are lost", (*servertest.Proxy).HoldReplies),
		through("connections are cut", (*servertest.Proxy).Cut),
		fault{"the server is away", func(_ *member, lasts time.Duration) error {
			return errors.Join(server.tell("stop"), after(lasts), server.tell("start"))
		}},
	)
	return f
}

func after(d time.Duration) error {
	<-time.After(d)
	return nil
}

// disrupt has one thing go wrong, in half of the cases for who leads, and waits until somebody leads
// again.
func (f *fleet) disrupt() error {
	fault, m := f.faults[f.rand.IntN(len(f.faults))], f.members[f.rand.IntN(len(f.members))]
	lasts := time.Duration(f.rand.Int64N(int64(f.ttl * 3 / 2)))
	if leader := f.floor.leader(); f.rand.IntN(2) == 0 {
		for _, other := range f.members {
			if other.name == leader {
				m = other
			}
		}
	}
	f.steps = append(f.steps, fmt.Sprintf("%s: %s, %v", m.name, fault.name, lasts))
	if err := fault.do(m, lasts); err != nil {
		return fmt.Errorf("%s: %s: %s: %w", f.name, m.name, fault.name, err)
	}
	if err := f.floor.led(); err != nil {
		return fmt.Errorf("%s: %w", f.name, err)
	}
	return nil
}

// start starts what the member is made of: the third one's is an engine.
func (m *member) start() error {
	if m.name == "c" {
		return m.startEngine()
	}
	ctx, cancel := soon()
	defer cancel()
	var err error
	m.store, err = m.openers().Open(ctx, m.url, store.Config{Logger: quiet})
	if err != nil {
		return err
	}
	if m.queue, err = newQueue(m.store, m.fleet.ttl); err != nil {
		return err
	}
	if m.tracker, err = newTracker(m.queue, "soak", m.name, m.fleet.ttl*2/5); err != nil {
		return err
	}
	ctx, m.stop = context.WithCancel(context.Background())
	w := m.tracker
	m.loop.Go(func() {
		for {
			err := w.RunWhileLeader(ctx, m.fleet.floor.work(m.name))
			if errors.Is(err, tracker.ErrStopped) || ctx.Err() != nil {
				return
			}
		}
	})
	return nil
}

// end stops it in the right order.
func (m *member) end() error {
	if m.name == "c" {
		return end(m.engine)
	}
	m.stop()
	err := end(m.tracker)
	m.loop.Wait()
	return errors.Join(err, m.queue.Close(), m.store.Close())
}

func (m *member) startEngine() error {
	work := m.fleet.floor.work(m.name)
	var err error
	m.engine, err = engine.New(engine.Config{Logger: quiet, RestartDelay: 10 * time.Millisecond, MaxRestartDelay: 100 * time.Millisecond}, dependency.Manifolds{
		"store": manifold.Store(manifold.StoreConfig{
			URL: m.url, Openers: m.openers(), Options: store.Config{Logger: quiet},
		}),
		"claimer": manifold.Claimer(manifold.ClaimerConfig{Store: "store", TTL: m.fleet.ttl, Logger: quiet}),
		"tracker": manifold.Tracker(manifold.TrackerConfig{
			Claimer: "claimer", Candidate: claimer.Candidate{Name: "soak", Holder: m.name}, Logger: quiet,
		}),
		"gate":    manifold.Gate(manifold.GateConfig{Tracker: "tracker"}),
		"work":    manifold.RunWhileLeader("gate", work),
		"guarded": manifold.WhileLeader("gate", idles()),
		"below":   idles("guarded"),
		"reader": {
			Inputs: []string{"tracker"},
			Start: func(_ context.Context, getter dependency.Getter) (worker.Worker, error) {
				election, err := manifold.Get[manifold.Election](getter, "tracker")
				if err != nil {
					return nil, err
				}
				m.election.Store(&election)
				return newIdle(nil, nil), nil
			},
		},
	})
	return err
}

// disturb has calls hang, fail or lose what they carry.
func (m *member) disturb(lasts time.Duration) error {
	kinds := []storetest.FaultKind{storetest.Hang, storetest.LateReply, storetest.Fail, storetest.DropRequest, storetest.DropReply}
	return m.inject(storetest.Fault{Kind: kinds[m.fleet.rand.IntN(len(kinds))]}, lasts)
}

func (m *member) expire(lasts time.Duration) error {
	return m.inject(storetest.Fault{Kind: storetest.Fail, Ops: []storetest.Op{storetest.Renew}}, lasts)
}

func (m *member) inject(fault storetest.Fault, lasts time.Duration) error {
	faults := m.driver.Load()
	if faults == nil {
		return nil // the engine hasn't opened its store yet
	}
	faults.Inject(fault)
	<-time.After(lasts)
	faults.Heal()
	return nil
}

// resign gives leadership up, if the member has it.
func (m *member) resign(time.Duration) error {
	ctx, cancel := soon()
	defer cancel()
	if m.name != "c" {
		_, _ = m.tracker.Resign(ctx) // a store that is slow to take it back is no fault of a soak's
	} else if election := m.election.Load(); election != nil {
		_, _ = (*election).Resign(ctx)
	}
	return nil
}

func (m *member) restart(time.Duration) error { return errors.Join(m.end(), m.start()) }

// die loses the store first, as in a crash: nothing is given back.
func (m *member) die(lasts time.Duration) error {
	if m.name != "c" {
		if err := m.store.Close(); err != nil {
			return err
		}
		m.stop()
		_ = end(m.tracker) // the store is closed, it says
		m.loop.Wait()
		if err := m.queue.Close(); err != nil {
			return err
		}
		<-time.After(lasts)
		return m.start()
	}
	return m.restart(lasts)
}

// bounce has a part of the engine start again, and all that stands on it.
func (m *member) bounce(lasts time.Duration) error {
	if m.name != "c" {
		return m.resign(lasts)
	}
	nodes := m.engine.Snapshot().Nodes
	return m.engine.Bounce(nodes[m.fleet.rand.IntN(len(nodes))].Name)
}

// regate installs a gate more, with guarded work, and uninstalls it.
func (m *member) regate(lasts time.Duration) error {
	if m.name != "c" {
		return m.resign(lasts)
	}
	return errors.Join(
		m.engine.Install("gate 2", manifold.Gate(manifold.GateConfig{Tracker: "tracker"})),
		m.engine.Install("work 2", manifold.RunWhileLeader("gate 2", m.fleet.floor.work(m.name))),
		after(lasts),
		m.engine.Uninstall("work 2"), m.engine.Uninstall("gate 2"),
	)
}
