package scenario_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/claimer"
	"github.com/muster-go/muster/internal/etcdtest"
	"github.com/muster-go/muster/internal/servertest"
	"github.com/muster-go/muster/store"
	"github.com/muster-go/muster/store/etcdstore"
	"github.com/muster-go/muster/tracker"
)

// openers are what a program names.
var openers = store.Openers{"etcd": etcdstore.Open}

// openStore opens a store as a program does; it must be closed. A busy machine may need several tries.
func openStore(t *testing.T, url string) (st *store.Store) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		var err error
		if st, err = openers.Open(ctx, url, store.Config{Logger: logger(t)}); err == nil {
			return st
		}
		if ctx.Err() != nil || !errors.Is(err, store.ErrUnreachable) {
			require.NoError(t, err)
		}
	}
}

// logger writes to the test's output, which is shown if the test fails.
func logger(t *testing.T) *slog.Logger {
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelInfo}))
}

// stand is one process's stack: it stands for an election, and whenever it leads it works.
type stand struct {
	t      *testing.T
	name   string
	store  *store.Store
	queue  *claimer.Queue
	worker *tracker.Worker

	stop  context.CancelFunc
	loop  sync.WaitGroup
	leave func()
}

// newStand starts one; it leaves at the test's end.
func newStand(t *testing.T, url, election, name string, ttl time.Duration, led *ledger) *stand {
	t.Helper()
	s := &stand{t: t, name: name, store: openStore(t, url)}
	var err error
	s.queue, err = claimer.New(claimer.Config{Store: s.store, TTL: ttl, Logger: logger(t).With("stand", name)})
	require.NoError(t, err)
	s.worker, err = tracker.New(tracker.Config{
		Claimer: s.queue, Candidate: claimer.Candidate{Name: election, Holder: name},
		Duration: ttl * 2 / 5, Logger: logger(t).With("stand", name),
	})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	s.stop = cancel
	s.loop.Go(func() {
		for ctx.Err() == nil {
			err := s.worker.RunWhileLeader(ctx, led.work)
			if err != nil && !errors.Is(err, tracker.ErrLeadershipChanged) {
				break // over
			}
		}
	})
	s.leave = sync.OnceFunc(func() {
		s.worker.Kill()
		assert.NoError(t, s.worker.Wait())
		s.stop()
		s.loop.Wait()
		assert.NoError(t, s.queue.Close())
		assert.NoError(t, s.store.Close())
	})
	t.Cleanup(s.leave)
	return s
}

// standsBehind says whether the stand's record was created after that of the claim with the token, in
// a store whose floor is 0, and that it has known so for a second: it has seen the token.
func (s *stand) standsBehind(token uint64) bool {
	behind := func() (rev uint64) {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		standing, err := s.queue.Candidates(ctx, s.worker.ServiceName())
		if err != nil {
			return 0
		}
		for _, c := range standing {
			if c.Holder == s.worker.Candidate().Holder {
				rev = c.CreateRev
			}
		}
		return rev
	}
	first := behind()
	if first <= token {
		return false
	}
	<-time.After(time.Second)
	return behind() == first
}

// waits waits until the stand is in the queue behind somebody.
func (s *stand) waits() {
	s.t.Helper()
	require.Eventually(s.t, func() bool { return s.place() > 0 }, patience, pollTime, "%s doesn't wait", s.name)
}

// stands waits until the stand is in the queue, be it as the leader: all others may have starved.
func (s *stand) stands() {
	s.t.Helper()
	require.Eventually(s.t, func() bool { return s.place() >= 0 }, patience, pollTime, "%s doesn't stand", s.name)
}

// place is how many stand before the stand; -1 if it doesn't stand itself, or nobody knows.
func (s *stand) place() int {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	standing, err := s.queue.Candidates(ctx, s.worker.ServiceName())
	if err != nil {
		return -1
	}
	return slices.IndexFunc(standing, func(c claimer.Standing) bool { return c.Holder == s.worker.Candidate().Holder })
}

// duel is two stands for one election, each behind a proxy of its own.
type duel struct {
	led     *ledger
	proxies map[string]*servertest.Proxy
}

func newDuel(t *testing.T, server *etcdtest.Server, prefix, election string, ttl time.Duration) *duel {
	t.Helper()
	d := &duel{led: newLedger(t), proxies: map[string]*servertest.Proxy{}}
	for _, name := range []string{"a", "b"} {
		proxy := servertest.NewProxy(t, server.Endpoint())
		newStand(t, etcdtest.URL(prefix, proxy.Endpoint())+"?fresh=true", election, name, ttl, d.led)
		d.proxies[name] = proxy
	}
	return d
}

// handOver makes leaders resign until one leads who is wanted, and gives that one's spell.
func (l *ledger) handOver(stands map[string]*stand, wanted func(who string) bool) spell {
	l.t.Helper()
	var found spell
	require.Eventually(l.t, func() bool {
		for _, s := range l.running() {
			if wanted(s.who) {
				found = s
				return true
			}
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			_, _ = stands[s.who].worker.Resign(ctx)
			cancel()
		}
		return false
	}, patience, pollTime, "nobody leads who should")
	return found
}
