package memstore_test

import (
	"context"
	"fmt"
	"time"

	"github.com/juju/clock/testclock"

	"github.com/muster-go/muster/store"
	"github.com/muster-go/muster/store/memstore"
)

// Two processes on one store: when one dies, its record goes a TTL after its last renewal.
func ExampleService() {
	ctx := context.Background()
	clk := testclock.NewClock(time.Unix(0, 0))
	service := memstore.NewService(clk)
	dying, other := service.Open(), service.Open()
	defer other.Close()

	session, _ := dying.Grant(ctx, 15*time.Second)
	_, _ = dying.Apply(ctx, []store.Write{{Kind: store.Create, Key: "members/box-1", Session: session}})
	_ = dying.Close() // closing is not revoking

	for range 2 {
		clk.Advance(14 * time.Second)
		snap, _ := other.List(ctx, "members/")
		fmt.Println("members:", len(snap.Records))
	}
	// Output:
	// members: 1
	// members: 0
}
