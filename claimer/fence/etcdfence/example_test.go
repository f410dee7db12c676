package etcdfence_test

import (
	"context"
	"errors"
	"fmt"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/muster-go/muster/claimer"
	"github.com/muster-go/muster/claimer/fence"
	"github.com/muster-go/muster/claimer/fence/etcdfence"
)

func ExampleDo() {
	var client *clientv3.Client // of the program's own
	_ = func(ctx context.Context, claim claimer.Claim) error {
		_, err := etcdfence.Do(ctx, client, "jobs/nightly/fence", claim.Token,
			clientv3.OpPut("jobs/nightly/state", "done"),
			clientv3.OpDelete("jobs/nightly/progress"),
		)
		if errors.Is(err, fence.ErrStale) {
			fmt.Println("another leads by now")
		}
		return err
	}
}
