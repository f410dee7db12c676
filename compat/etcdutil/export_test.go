package etcdutil

import (
	"context"

	"github.com/muster-go/muster/store"
)

// NewElectionOn is NewElection on any driver.
func NewElectionOn(ctx context.Context, d store.Driver, conf ElectionConfig) (*Election, error) {
	return ready(ctx, NewElectionAsyncOn(d, conf))
}

// NewElectionAsyncOn is NewElectionAsync on any driver.
func NewElectionAsyncOn(d store.Driver, conf ElectionConfig) *Election {
	return newElection(func(ElectionConfig) (store.Driver, error) { return d, nil }, conf)
}
