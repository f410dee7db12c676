package enginetest_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/juju/clock"
	"github.com/juju/worker/v4"
	"github.com/juju/worker/v4/dependency"

	"github.com/muster-go/muster/engine"
	"github.com/muster-go/muster/engine/enginetest"
)

// server is a manifold that needs an address.
var server = dependency.Manifold{
	Inputs: []string{"address"},
	Start: func(_ context.Context, getter dependency.Getter) (worker.Worker, error) {
		var address string
		if err := getter.Get("address", &address); err != nil {
			return nil, err
		}
		if address == "" {
			return nil, errors.New("no address to listen on")
		}
		return newJob(), nil
	},
}

// A manifold's Start by itself.
func ExampleInputs() {
	ctx := context.Background() // in a test: t.Context()
	w, err := server.Start(ctx, enginetest.Inputs{"address": "localhost:80"})
	fmt.Println(w != nil, err)

	_, err = server.Start(ctx, enginetest.Inputs{"address": ""})
	fmt.Println(err)

	_, err = server.Start(ctx, enginetest.Inputs{})
	fmt.Println(errors.Is(err, dependency.ErrMissing))
	// Output:
	// true <nil>
	// no address to listen on
	// true
}

// A test of manifolds in an engine, in a bubble: an hour passes in no time. The example is compiled,
// not run.
func Example() {
	TestServer := func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			e, err := engine.New(engine.Config{Clock: clock.WallClock}, dependency.Manifolds{
				"server": server,
				"address": {
					Start:  func(context.Context, dependency.Getter) (worker.Worker, error) { return newJob(), nil },
					Output: func(_ worker.Worker, out any) error { *out.(*string) = "localhost:80"; return nil },
				},
			})
			if err != nil {
				t.Fatal(err)
			}
			enginetest.Started(t, e, "server")
			enginetest.StaysUp(t, e, "server", time.Hour)
			enginetest.CleanKill(t, e)
		})
	}
	_ = TestServer
}
