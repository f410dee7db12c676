package endurance_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/juju/worker/v4"
	"github.com/juju/worker/v4/dependency"
	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/claimer"
	"github.com/muster-go/muster/engine"
	"github.com/muster-go/muster/manifold"
	"github.com/muster-go/muster/store"
	"github.com/muster-go/muster/store/memstore"
)

// works is the function of a RunWhileLeader that tells of its runs, and runs until it must not.
func works(led chan<- struct{}) func(context.Context, claimer.Claim) error {
	return func(ctx context.Context, _ claimer.Claim) error {
		select {
		case led <- struct{}{}:
		default:
		}
		<-ctx.Done()
		return nil
	}
}

// everything is a graph with each manifold that there is.
func (p place) everything(name, holder string, led chan<- struct{}) dependency.Manifolds {
	return dependency.Manifolds{
		"store": manifold.Store(manifold.StoreConfig{
			URL: p.url, Openers: p.openers, Options: store.Config{Logger: quiet},
		}),
		"claimer": manifold.Claimer(manifold.ClaimerConfig{Store: "store", TTL: p.ttl, Logger: quiet}),
		"tracker": manifold.Tracker(manifold.TrackerConfig{
			Claimer: "claimer", Candidate: claimer.Candidate{Name: name, Holder: holder}, Duration: tick, Logger: quiet,
		}),
		"gate":    manifold.Gate(manifold.GateConfig{Tracker: "tracker"}),
		"on":      manifold.StaticFlag(true),
		"off":     manifold.StaticFlag(false),
		"value":   manifold.Value(wall),
		"guarded": manifold.WhileLeader("gate", idles("value")),
		"below":   idles("guarded"),
		"runs":    manifold.RequireFlags(manifold.RunWhileLeader("gate", works(led)), "on"),
		"never":   manifold.RequireFlags(idles(), "off"),
		"ready":   manifold.AfterReady("tracker", idles()),
	}
}

// tick is the Duration of trackers that are to lead again soon: they wait for a twentieth of it.
const tick = 20 * time.Millisecond

func TestCyclesOfEachManifoldInAnEngineLeaveNothing(t *testing.T) {
	for _, p := range []place{inMemory(), onSQLite(t), onEtcd(t)} {
		t.Run("that runs, on "+p.name, func(t *testing.T) {
			run(t, min(p.cycles, 500), func(i int) error {
				led := make(chan struct{}, 1)
				e, err := newEngine(p.everything(fmt.Sprintf("runs-%d", i), "a", led))
				if err != nil {
					return err
				}
				err = errors.Join(runs(e, "below"), runs(e, "ready"))
				<-led
				return errors.Join(err, end(e))
			})
		})
		t.Run("that is killed before it has started, on "+p.name, func(t *testing.T) {
			run(t, p.cycles, func(i int) error {
				e, err := newEngine(p.everything(fmt.Sprintf("killed-%d", i), "a", nil))
				if err != nil {
					return err
				}
				if i%3 > 0 {
					if err := runs(e, []string{"store", "claimer"}[i%3-1]); err != nil {
						return err
					}
				}
				return end(e)
			})
		})
	}
	t.Run("on a store that can't be opened", func(t *testing.T) {
		p := place{
			url: "gone://", ttl: time.Second,
			openers: store.Openers{"gone": refusing(store.ErrUnreachable)},
		}
		run(t, 500, func(i int) error {
			e, err := newEngine(p.everything("web", "a", nil))
			if err != nil {
				return err
			}
			err = until(e, "the store has failed", func() bool {
				node, _ := e.Snapshot().Node("store")
				return node.LastError != "" || i%2 == 0
			})
			return errors.Join(err, end(e))
		})
	})
	t.Run("with a config that can't work", func(t *testing.T) {
		run(t, 1000, func(int) error {
			for _, m := range []dependency.Manifold{
				manifold.Store(manifold.StoreConfig{}), manifold.Claimer(manifold.ClaimerConfig{}),
				manifold.Tracker(manifold.TrackerConfig{}), manifold.Gate(manifold.GateConfig{}), manifold.Value(nil),
			} {
				if _, err := newEngine(dependency.Manifolds{"x": m}); err == nil {
					return errors.New("not refused")
				}
			}
			return nil
		})
	})
}

func TestCyclesOfLeadershipInAnEngineLeaveNothing(t *testing.T) {
	p := place{
		url: "mem://", openers: store.Openers{"mem": memstore.Opener(memstore.NewService(wall))}, ttl: time.Second,
	}
	start := func(t *testing.T, name string, led chan<- struct{}) (*engine.Engine, manifold.Election) {
		elections := make(chan manifold.Election, 1)
		all := p.everything(name, "a", led)
		all["reader"] = dependency.Manifold{
			Inputs: []string{"tracker"},
			Start: func(_ context.Context, getter dependency.Getter) (worker.Worker, error) {
				election, err := manifold.Get[manifold.Election](getter, "tracker")
				if err != nil {
					return nil, err
				}
				elections <- election
				return newIdle(nil, nil), nil
			},
		}
		e := must[*engine.Engine](t)(newEngine(all))
		t.Cleanup(func() { require.NoError(t, end(e)) })
		return e, <-elections
	}
	t.Run("won and given up", func(t *testing.T) {
		led := make(chan struct{}, 1)
		e, election := start(t, "web", led)
		oneByOne(t, 1000, func(int) error {
			<-led
			ctx, cancel := soon()
			defer cancel()
			_, _ = election.Resign(ctx) // a busy machine may not give the claim back before its short end
			return nil
		})
		require.NoError(t, runs(e, "below"))
	})
	t.Run("of gates that are installed and uninstalled", func(t *testing.T) {
		led := make(chan struct{}, 1)
		e, _ := start(t, "api", led)
		<-led
		oneByOne(t, 500, func(i int) error {
			again := make(chan struct{}, 1)
			if err := e.Install("gate 2", manifold.Gate(manifold.GateConfig{Tracker: "tracker"})); err != nil {
				return err
			}
			if err := e.Install("work 2", manifold.RunWhileLeader("gate 2", works(again))); err != nil {
				return err
			}
			if i%2 == 0 {
				<-again
			}
			return errors.Join(e.Uninstall("work 2"), e.Uninstall("gate 2"))
		})
	})
}
