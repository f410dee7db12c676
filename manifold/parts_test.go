package manifold_test

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/juju/clock"
	"github.com/juju/clock/testclock"
	"github.com/juju/worker/v4"
	"github.com/juju/worker/v4/dependency"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/claimer"
	"github.com/muster-go/muster/engine"
	"github.com/muster-go/muster/manifold"
	"github.com/muster-go/muster/store"
	"github.com/muster-go/muster/store/memstore"
	"github.com/muster-go/muster/store/storetest"
	"github.com/muster-go/muster/tracker"
	"github.com/muster-go/muster/tracker/trackertest"
)

// idleUntilTheEnd is a worker that is stopped when the test ends.
func idleUntilTheEnd(t testing.TB) worker.Worker {
	w := idle()
	t.Cleanup(func() { stop(t, w) })
	return w
}

// everywhere runs the test in a bubble under each engine.
func everywhere(t *testing.T, test func(t *testing.T, run func(dependency.Manifolds) worker.Worker)) {
	for name, run := range engines {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				test(t, func(manifolds dependency.Manifolds) worker.Worker { return run(t, manifolds) })
			})
		})
	}
}

func TestTheChainGivesWhatItPromises(t *testing.T) {
	everywhere(t, func(t *testing.T, run func(dependency.Manifolds) worker.Worker) {
		b := &box{name: "box-1", service: memstore.NewService(clock.WallClock)}
		var (
			st         cell[*store.Store]
			clk        cell[clock.Clock]
			cl         cell[claimer.Claimer]
			keeper     cell[claimer.Keeper]
			queue      cell[*claimer.Queue]
			tr         cell[tracker.Tracker]
			election   cell[manifold.Election]
			flag       cell[engine.Flag]
			leadership cell[manifold.Leadership]
		)
		run(b.manifolds(dependency.Manifolds{
			"a": reader("store", &st), "b": reader("claimer", &clk), "c": reader("claimer", &cl),
			"d": reader("claimer", &keeper), "e": reader("claimer", &queue), "f": reader("tracker", &tr),
			"g": reader("tracker", &election), "h": reader("gate", &flag), "i": reader("gate", &leadership),
		}))
		time.Sleep(time.Minute)
		assert.Equal(t, clock.WallClock, clk.get())
		assert.Same(t, queue.get(), cl.get())
		assert.Same(t, queue.get(), keeper.get())
		assert.Equal(t, 4*time.Second, tr.get().ClaimDuration(), "0.4 TTL by default")
		assert.True(t, tr.get().ClaimLeader().Wait())
		claim, _, leads := election.get().Leadership()
		require.True(t, leads)
		assert.True(t, flag.get().Check())
		assert.Equal(t, "leader of web with token "+token(claim), flag.get().(engine.Reasoner).Reason())
		assert.Equal(t, claim, leadership.get().Claim())
		assert.True(t, leadership.get().Leads())
		assert.True(t, leadership.get().Deadline().After(time.Now()))
		for _, given := range []any{st.get(), cl.get(), tr.get(), election.get(), flag.get(), leadership.get()} {
			_, isWorker := given.(worker.Worker)
			assert.False(t, isWorker, "%T: stopping is the engine's", given)
		}
	})
}

func TestAWrongOutIsToldWhatThereIs(t *testing.T) {
	everywhere(t, func(t *testing.T, run func(dependency.Manifolds) worker.Worker) {
		b := &box{name: "box-1", service: memstore.NewService(clock.WallClock)}
		said := map[string]*cell[string]{}
		all := dependency.Manifolds{
			"flag": manifold.StaticFlag(true), "value": manifold.Value(http.NewServeMux()), "shut": manifold.StaticFlag(false),
		}
		for _, input := range []string{"store", "claimer", "tracker", "gate", "flag", "value"} {
			said[input] = &cell[string]{}
			all["asks "+input] = probe(input, func(getter dependency.Getter) error {
				_, err := manifold.Get[chan int](getter, input)
				said[input].set(err.Error())
				return nil
			})
		}
		run(b.manifolds(all))
		time.Sleep(time.Minute)
		for input, want := range map[string]string{
			"store":   "it gives no chan int; it gives *store.Store, clock.Clock",
			"claimer": "it gives claimer.Claimer, claimer.Keeper, *claimer.Queue, clock.Clock",
			"tracker": "it gives tracker.Tracker, manifold.Election, manifold.Readier",
			"gate":    "it gives engine.Flag, manifold.Leadership",
			"flag":    "it gives engine.Flag",
			"value":   "it gives *http.ServeMux, any interface that it implements",
		} {
			assert.Contains(t, said[input].get(), want, input)
			assert.Contains(t, said[input].get(), `input "`+input+`" as chan int`)
		}
	})
}

func TestValueGivesItsOwnTypeAndItsInterfaces(t *testing.T) {
	everywhere(t, func(t *testing.T, run func(dependency.Manifolds) worker.Worker) {
		mux := http.NewServeMux()
		var asMux cell[*http.ServeMux]
		var asHandler cell[http.Handler]
		run(dependency.Manifolds{"mux": manifold.Value(mux), "a": reader("mux", &asMux), "b": reader("mux", &asHandler)})
		time.Sleep(time.Second)
		assert.Same(t, mux, asMux.get())
		assert.Same(t, mux, asHandler.get())
	})
}

func TestAStoreOfTheCallersIsntClosed(t *testing.T) {
	everywhere(t, func(t *testing.T, run func(dependency.Manifolds) worker.Worker) {
		st, err := store.Open(t.Context(), "mem://", store.Openers{"mem": memstore.Open})
		require.NoError(t, err)
		defer st.Close()
		var got cell[*store.Store]
		stop(t, run(dependency.Manifolds{"store": manifold.Store(manifold.StoreConfig{Store: st}), "a": reader("store", &got)}))
		e := run(dependency.Manifolds{"store": manifold.Store(manifold.StoreConfig{Store: st}), "a": reader("store", &got)})
		time.Sleep(time.Second)
		stop(t, e)
		assert.Same(t, st, got.get())
		assert.NoError(t, st.Ping(context.Background()))
	})
}

func TestAStoreThatIsNotReachedIsTriedAgain(t *testing.T) {
	everywhere(t, func(t *testing.T, run func(dependency.Manifolds) worker.Worker) {
		b := &box{name: "box-1", service: memstore.NewService(clock.WallClock)}
		b.service.Stop()
		var st cell[*store.Store]
		run(dependency.Manifolds{"store": manifold.Store(b.storeConfig()), "a": reader("store", &st)})
		time.Sleep(time.Minute)
		require.Nil(t, st.get())
		b.service.Start()
		time.Sleep(time.Minute)
		assert.NotNil(t, st.get())
	})
}

// leaky is a driver that doesn't answer, and says whether it was closed.
type leaky struct {
	store.Driver
	closed *int
}

func (l leaky) Close() error {
	*l.closed++
	return l.Driver.Close()
}

func TestAStoreThatIsNotReachedIsClosed(t *testing.T) {
	service, closed := memstore.NewService(clock.WallClock), 0
	service.Stop()
	m := manifold.Store(manifold.StoreConfig{
		URL: "mem://", Options: store.Config{Logger: quiet},
		Openers: store.Openers{"mem": func(context.Context, *url.URL, store.Clock) (store.Driver, error) {
			return leaky{service.Open(), &closed}, nil
		}},
	})
	_, err := m.Start(t.Context(), getter(nil))
	require.ErrorIs(t, err, store.ErrUnreachable)
	assert.NotErrorIs(t, err, dependency.ErrMissing, "no input would change that")
	assert.Equal(t, 1, closed)
}

// A driver may hang; closing takes at most CallTimeout.
func TestClosingAStoreWhoseDriverHangsIsBounded(t *testing.T) {
	everywhere(t, func(t *testing.T, run func(dependency.Manifolds) worker.Worker) {
		b := &box{name: "box-1", service: memstore.NewService(clock.WallClock)}
		e := run(b.manifolds(nil))
		time.Sleep(time.Minute)
		b.faults().Inject(storetest.Fault{Kind: storetest.Hang})
		defer b.faults().Heal()
		begun := time.Now()
		stop(t, e)
		assert.LessOrEqual(t, time.Since(begun), 4*ttl/10+2*time.Second+5*time.Second, "a Release for Duration, the session for 2 s, the store for CallTimeout")
	})
}

func TestATrackerNeedsADurationFromSomewhere(t *testing.T) {
	config := (&box{name: "box-1"}).trackerConfig()
	give := func(cl claimer.Claimer) getter {
		return func(_ string, out any) error {
			if target, ok := out.(*claimer.Claimer); ok {
				*target = cl
				return nil
			}
			return dependency.ErrMissing
		}
	}
	_, err := manifold.Tracker(config).Start(t.Context(), give(trackertest.NewMemory(clock.WallClock)))
	require.ErrorIs(t, err, claimer.ErrInvalid)
	assert.ErrorContains(t, err, `input "claimer" doesn't say how long claims may be: set Duration`)

	config.Duration = time.Hour
	_, err = manifold.Tracker(config).Start(t.Context(), give(bounded{}))
	require.ErrorIs(t, err, claimer.ErrInvalid)
	assert.ErrorContains(t, err, "use at most 30s, or a longer ttl there")
}

// The tracker counts on the clock of its Claimer, without being told so.
func TestATrackerTakesTheClockOfItsClaimer(t *testing.T) {
	clk := testclock.NewClock(time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC))
	config := (&box{name: "box-1"}).trackerConfig()
	config.Duration = 10 * time.Second
	m := manifold.Tracker(config)
	w, err := m.Start(t.Context(), getter(func(_ string, out any) error {
		switch out := out.(type) {
		case *claimer.Claimer:
			*out = trackertest.NewMemory(clk)
		case *clock.Clock:
			*out = clk
		default:
			return errors.New("no such output")
		}
		return nil
	}))
	require.NoError(t, err)
	defer stop(t, w)
	var election manifold.Election
	require.NoError(t, m.Output(w, &election))
	require.True(t, election.WaitLeader().Wait())
	_, deadline, leads := election.Leadership()
	require.True(t, leads)
	assert.Equal(t, 2030, deadline.Year())
}

// bounded is a Claimer whose claims are for at most a minute.
type bounded struct{ claimer.Claimer }

func (bounded) MaxDuration() time.Duration { return time.Minute }

// A user's own Claimer, three methods and no more, takes the place of the Claimer manifold.
func TestAUsersOwnClaimerTakesThePlace(t *testing.T) {
	everywhere(t, func(t *testing.T, run func(dependency.Manifolds) worker.Worker) {
		memory := trackertest.NewMemory(clock.WallClock)
		config := (&box{name: "box-1"}).trackerConfig()
		config.Duration, config.Clock = 5*time.Second, clock.WallClock
		var leadership cell[manifold.Leadership]
		e := run(dependency.Manifolds{
			"claimer": manifold.Value(struct{ claimer.Claimer }{memory}),
			"tracker": manifold.Tracker(config),
			"gate":    manifold.Gate(manifold.GateConfig{Tracker: "tracker"}),
			"app":     manifold.WhileLeader("gate", reader("gate", &leadership)),
		})
		time.Sleep(time.Minute)
		holder, held := memory.Holder("web")
		require.True(t, held)
		assert.Equal(t, holder, leadership.get().Claim())
		stop(t, e)
		_, held = memory.Holder("web")
		assert.False(t, held, "released at the end")
	})
}

func token(claim claimer.Claim) string { return strconv.FormatUint(claim.Token, 10) }
