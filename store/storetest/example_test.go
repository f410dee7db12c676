package storetest_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/juju/clock/testclock"

	"github.com/muster-go/muster/store"
	"github.com/muster-go/muster/store/memstore"
	"github.com/muster-go/muster/store/storetest"
)

// A driver's whole conformance test.
func ExampleRun() {
	_ = func(t *testing.T) {
		clk := testclock.NewClock(time.Unix(0, 0))
		service := memstore.NewService(clk)
		storetest.Run(t, storetest.Harness{
			Open:    func(testing.TB) store.Driver { return service.Open() },
			Clock:   clk,
			Advance: clk.Advance,
			TTL:     time.Minute,
			Wipe:    func(testing.TB) { service.Wipe() },
		})
	}
}

// The reply to a write is lost after the commit: the caller can't know, and the record is there.
func ExampleWithFaults() {
	ctx := context.Background()
	clk := testclock.NewClock(time.Unix(0, 0))
	d := storetest.WithFaults(memstore.NewService(clk).Open(), clk)
	defer d.Close()

	d.Inject(storetest.Fault{Kind: storetest.DropReply, Ops: []storetest.Op{storetest.Apply}, Calls: 1})
	_, err := d.Apply(ctx, []store.Write{{Kind: store.Create, Key: "elections/web/1"}})
	fmt.Println(err)
	fmt.Println("known to be refused:", errors.Is(err, store.ErrRefused))

	snap, _ := d.List(ctx, "elections/")
	fmt.Println("records:", len(snap.Records))
	// Output:
	// storetest: injected fault: no reply
	// known to be refused: false
	// records: 1
}
