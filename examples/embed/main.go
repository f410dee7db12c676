// Command embed works in one process at a time. Run it in two terminals.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"time"

	"github.com/juju/worker/v4/dependency"

	"github.com/muster-go/muster/claimer"
	"github.com/muster-go/muster/engine"
	"github.com/muster-go/muster/manifold"
	"github.com/muster-go/muster/store"
	"github.com/muster-go/muster/store/sqlstore"
)

func main() {
	ctx, _ := signal.NotifyContext(context.Background(), os.Interrupt)
	e, err := engine.New(engine.Config{}, dependency.Manifolds{
		"store":   manifold.Store(manifold.StoreConfig{URL: "sqlite://" + os.TempDir() + "/embed.db", Openers: store.Openers{"sqlite": sqlstore.OpenSQLite}}),
		"claimer": manifold.Claimer(manifold.ClaimerConfig{Store: "store", TTL: 5 * time.Second}),
		"tracker": manifold.Tracker(manifold.TrackerConfig{Claimer: "claimer", Candidate: claimer.Candidate{Name: "nightly", Holder: fmt.Sprint(os.Getpid())}}),
		"gate":    manifold.Gate(manifold.GateConfig{Tracker: "tracker"}),
		"worker":  manifold.RunWhileLeader("gate", work),
	})
	if err == nil {
		context.AfterFunc(ctx, e.Kill) // stops work, then gives leadership up, then closes the store
		err = e.Wait()
	}
	fmt.Println("ended:", err)
}

func work(ctx context.Context, claim claimer.Claim) error {
	fmt.Println("leading with token", claim.Token)
	<-ctx.Done() // ends before another process leads
	return ctx.Err()
}
