package manifold_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/juju/clock"
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
)

// chain is what the examples have in common: a store in memory, and a claimer on it. In a program
// the URL is "sqlite:///var/lib/myapp/muster.db" or another.
func chain() dependency.Manifolds {
	return dependency.Manifolds{
		"store": manifold.Store(manifold.StoreConfig{
			URL: "mem://", Openers: store.Openers{"mem": memstore.Open},
			Options: store.Config{Logger: quiet},
		}),
		"claimer": manifold.Claimer(manifold.ClaimerConfig{Store: "store", TTL: time.Minute, Logger: quiet}),
		"tracker": manifold.Tracker(manifold.TrackerConfig{
			Claimer: "claimer", Candidate: claimer.Candidate{Name: "web", Holder: "box-1"}, Logger: quiet,
		}),
	}
}

// A worker that depends on a Tracker runs whether this process leads or not, and asks.
func ExampleTracker() {
	manifolds, asked := chain(), make(chan struct{})
	manifolds["api"] = dependency.Manifold{
		Inputs: []string{"tracker"},
		Start: func(_ context.Context, getter dependency.Getter) (worker.Worker, error) {
			leadership, err := manifold.Get[tracker.Tracker](getter, "tracker")
			if err != nil {
				return nil, err
			}
			return work(func(dying <-chan struct{}) error {
				if leadership.ClaimLeader().Wait() {
					fmt.Printf("leading %s for at least %v\n", leadership.ServiceName(), leadership.ClaimDuration())
				}
				close(asked)
				<-dying
				return nil
			}), nil
		},
	}
	e, err := engine.New(engine.Config{Logger: quiet}, manifolds)
	if err != nil {
		fmt.Println(err)
		return
	}
	<-asked
	e.Kill()
	fmt.Println("ended:", e.Wait())
	// Output:
	// leading web for at least 24s
	// ended: <nil>
}

// A worker behind a Gate is started when this process begins to lead, and has stopped before another
// one leads. The same goes for what depends on it.
func ExampleGate() {
	manifolds, up := chain(), make(chan struct{})
	manifolds["gate"] = manifold.Gate(manifold.GateConfig{Tracker: "tracker"})
	manifolds["scheduler"] = manifold.WhileLeader("gate", dependency.Manifold{
		Start: func(_ context.Context, getter dependency.Getter) (worker.Worker, error) {
			leadership, err := manifold.Get[manifold.Leadership](getter, "gate")
			if err != nil {
				return nil, err
			}
			fmt.Println("scheduler leads", leadership.Claim().Name)
			return work(func(dying <-chan struct{}) error {
				<-dying
				fmt.Println("scheduler stopped")
				return nil
			}), nil
		},
		Output: func(_ worker.Worker, out any) error {
			*out.(*string) = "jobs"
			return nil
		},
	})
	manifolds["runner"] = dependency.Manifold{
		Inputs: []string{"scheduler"},
		Start: func(_ context.Context, getter dependency.Getter) (worker.Worker, error) {
			jobs, err := manifold.Get[string](getter, "scheduler")
			if err != nil {
				return nil, err
			}
			return work(func(dying <-chan struct{}) error {
				fmt.Println("runner runs", jobs)
				close(up)
				<-dying
				fmt.Println("runner stopped")
				return nil
			}), nil
		},
	}
	e, err := engine.New(engine.Config{Logger: quiet}, manifolds)
	if err != nil {
		fmt.Println(err)
		return
	}
	<-up
	e.Kill()
	fmt.Println("ended:", e.Wait())
	// Output:
	// scheduler leads web
	// runner runs jobs
	// runner stopped
	// scheduler stopped
	// ended: <nil>
}

// A function is enough where nothing depends on the work.
func ExampleRunWhileLeader() {
	manifolds, done := chain(), make(chan struct{})
	manifolds["gate"] = manifold.Gate(manifold.GateConfig{Tracker: "tracker"})
	manifolds["report"] = manifold.RunWhileLeader("gate", func(_ context.Context, claim claimer.Claim) error {
		fmt.Println("reporting for", claim.Name) // what must not be done twice takes claim.Token along
		close(done)
		return nil
	})
	e, err := engine.New(engine.Config{Logger: quiet}, manifolds)
	if err != nil {
		fmt.Println(err)
		return
	}
	<-done
	e.Kill()
	fmt.Println("ended:", e.Wait())
	// Output:
	// reporting for web
	// ended: <nil>
}

// Whatever is wrong with a set of manifolds is told at once, before anything runs.
func Example_badConfiguration() {
	_, err := engine.New(engine.Config{}, dependency.Manifolds{
		"store":   manifold.Store(manifold.StoreConfig{URL: "men://", Openers: store.Openers{"mem": memstore.Open}}),
		"claimer": manifold.Claimer(manifold.ClaimerConfig{Store: "stor", TTL: time.Second}),
	})
	fmt.Println(err)
	// Output:
	// manifold "claimer": its input "stor" doesn't exist: did you mean "store"?
	// manifold "store": store URL "men:": unknown scheme "men": did you mean mem? (known are mem): invalid
}

// In a synctest bubble a whole engine runs on fake time: here two processes of a fleet, one of which
// is cut off from the store for an hour, in milliseconds. This is a Test and not an Example since a
// bubble needs a *testing.T.
func TestExampleWholeEnginesInASynctestBubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		service := memstore.NewService(clock.WallClock) // the bubble's clock
		process := func(holder string, driver store.Opener) *engine.Engine {
			manifolds := dependency.Manifolds{
				"store": manifold.Store(manifold.StoreConfig{
					URL: "mem://", Openers: store.Openers{"mem": driver}, Options: store.Config{Logger: quiet},
				}),
				"claimer": manifold.Claimer(manifold.ClaimerConfig{Store: "store", TTL: 10 * time.Second, Logger: quiet}),
				"tracker": manifold.Tracker(manifold.TrackerConfig{
					Claimer: "claimer", Candidate: claimer.Candidate{Name: "web", Holder: holder}, Logger: quiet,
				}),
				"gate": manifold.Gate(manifold.GateConfig{Tracker: "tracker"}),
				"app": manifold.RunWhileLeader("gate", func(ctx context.Context, _ claimer.Claim) error {
					<-ctx.Done()
					return nil
				}),
			}
			e, err := engine.New(engine.Config{Logger: quiet}, manifolds)
			require.NoError(t, err)
			return e
		}
		leads := func(e *engine.Engine) bool {
			app, _ := e.Snapshot().Node("app")
			return app.State == engine.StateRunning
		}

		box := &box{service: service} // with faults
		first := process("box-1", box.open)
		time.Sleep(time.Minute)
		second := process("box-2", memstore.Opener(service))
		time.Sleep(time.Minute)
		assert.True(t, leads(first))
		assert.False(t, leads(second))
		app, _ := second.Snapshot().Node("app")
		assert.Equal(t, engine.Cause{Node: "gate", Reason: "not leader of web; leader is box-1"}, app.Why[len(app.Why)-1])

		box.faults().Inject(storetest.Fault{Kind: storetest.Fail})
		time.Sleep(time.Hour)
		assert.False(t, leads(first))
		assert.True(t, leads(second))

		stop(t, second)
		box.faults().Heal()
		time.Sleep(time.Minute)
		assert.True(t, leads(first))
		stop(t, first)
	})
}
