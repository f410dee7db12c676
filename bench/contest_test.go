package bench_test

import (
	"cmp"
	"context"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.etcd.io/etcd/client/v3/concurrency"
	"go.etcd.io/etcd/server/v3/embed"

	"github.com/muster-go/muster/claimer"
	"github.com/muster-go/muster/internal/etcdtest"
	"github.com/muster-go/muster/store"
	"github.com/muster-go/muster/store/etcdstore"
	"github.com/muster-go/muster/tracker"
)

const (
	patience = time.Minute
	ttl      = time.Minute // nothing expires while measuring
	settle   = 250 * time.Millisecond
)

// election is one kind of it, with two processes that lead in turn.
type election interface {
	// join makes the process that doesn't lead a candidate; the channel closes when it knows that
	// it leads.
	join() (leads <-chan struct{})
	// resign begins to make the leader, gracefully, none; the other one leads next.
	resign()
}

// handOver gives the time from the leader's decision to go until the waiter knows that it leads.
// A settled waiter has waited for a while; a fresh one has just asked etcd to be told.
func handOver(tb testing.TB, server *etcdtest.Server, e election, settled bool) time.Duration {
	tb.Helper()
	before := server.Requests()["Watch"]
	leads := e.join()
	require.Eventually(tb, func() bool { return server.Requests()["Watch"] > before }, patience, 200*time.Microsecond)
	if settled {
		<-time.After(settle)
	}
	start := time.Now()
	e.resign()
	select {
	case <-leads:
	case <-time.After(patience):
		require.FailNow(tb, "no hand-over")
	}
	return time.Since(start)
}

// muster is two processes with a tracker each.
type muster struct {
	tb      testing.TB
	queues  [2]*claimer.Queue
	workers [2]*tracker.Worker // nil: it doesn't stand
	leader  int
	left    chan struct{} // closed when the latest resignation is done
}

func newMuster(tb testing.TB, server *etcdtest.Server) *muster {
	tb.Helper()
	m := &muster{tb: tb, leader: 1, left: make(chan struct{})}
	close(m.left)
	for i := range m.queues {
		st, err := store.Open(context.Background(), server.URL("bench")+"?fresh=true", store.Openers{"etcd": etcdstore.Open})
		require.NoError(tb, err)
		tb.Cleanup(func() { require.NoError(tb, st.Close()) })
		m.queues[i], err = claimer.New(claimer.Config{Store: st, TTL: ttl})
		require.NoError(tb, err)
		tb.Cleanup(func() { require.NoError(tb, m.queues[i].Close()) })
	}
	tb.Cleanup(func() {
		<-m.left
		for _, w := range m.workers {
			if w != nil {
				w.Kill()
				require.NoError(tb, w.Wait())
			}
		}
	})
	return m
}

func (m *muster) join() <-chan struct{} {
	m.tb.Helper()
	<-m.left
	i := 1 - m.leader
	var err error
	m.workers[i], err = tracker.New(tracker.Config{
		Claimer: m.queues[i], Candidate: claimer.Candidate{Name: "e", Holder: "box"}, Duration: ttl * 2 / 5,
	})
	require.NoError(m.tb, err)
	return m.workers[i].WaitLeader().Ready()
}

func (m *muster) resign() {
	i := m.leader
	m.leader = 1 - i
	left := make(chan struct{})
	m.left = left
	go func() {
		defer close(left)
		m.workers[i].Kill()
		_ = m.workers[i].Wait()
		m.workers[i] = nil
	}()
}

// etcds is two processes with a session and concurrency.Election each.
type etcds struct {
	tb        testing.TB
	elections [2]*concurrency.Election
	leader    int
	left      chan struct{}
}

func newEtcds(tb testing.TB, server *etcdtest.Server) *etcds {
	tb.Helper()
	e := &etcds{tb: tb, leader: 1, left: make(chan struct{})}
	close(e.left)
	for i := range e.elections {
		session, err := concurrency.NewSession(server.Client(), concurrency.WithTTL(int(ttl.Seconds())))
		require.NoError(tb, err)
		tb.Cleanup(func() { _ = session.Close() })
		e.elections[i] = concurrency.NewElection(session, "/concurrency")
	}
	return e
}

func (e *etcds) join() <-chan struct{} {
	<-e.left
	i := 1 - e.leader
	leads := make(chan struct{})
	go func() {
		if err := e.elections[i].Campaign(context.Background(), "box"); err == nil {
			close(leads)
		}
	}()
	return leads
}

func (e *etcds) resign() {
	i := e.leader
	e.leader = 1 - i
	left := make(chan struct{})
	e.left = left
	go func() {
		defer close(left)
		_ = e.elections[i].Resign(context.Background())
	}()
}

// contest measures both kinds, one round of each in turn.
type contest struct {
	tb             testing.TB
	server         *etcdtest.Server
	muster         *muster
	etcds          *etcds
	ours, theirs   []time.Duration
	settledWaiters bool
}

func newContest(tb testing.TB, settled bool) *contest {
	tb.Helper()
	server := etcdtest.Start(tb, etcdtest.Settings{Adjust: func(cfg *embed.Config) {
		cfg.UnsafeNoFsync = false // as etcd is run wherever it matters
	}})
	c := &contest{tb: tb, server: server, muster: newMuster(tb, server), etcds: newEtcds(tb, server), settledWaiters: settled}
	<-c.muster.join() // the first of each leads without a hand-over
	c.muster.leader = 0
	<-c.etcds.join()
	c.etcds.leader = 0
	return c
}

func (c *contest) round() {
	c.tb.Helper()
	c.ours = append(c.ours, handOver(c.tb, c.server, c.muster, c.settledWaiters))
	c.theirs = append(c.theirs, handOver(c.tb, c.server, c.etcds, c.settledWaiters))
}

func median[T cmp.Ordered](all []T) T {
	sorted := slices.Sorted(slices.Values(all))
	return sorted[len(sorted)/2]
}

// ratio is how much of concurrency.Election's time Muster takes: the median over the rounds, since
// what both wait for, the disk above all, drifts.
func (c *contest) ratio() float64 {
	ratios := make([]float64, len(c.ours))
	for i := range ratios {
		ratios[i] = float64(c.ours[i]) / float64(c.theirs[i])
	}
	return median(ratios)
}
