package leadership

import (
	"context"
	"time"

	"github.com/muster-go/muster/store"
)

// Open has the flag kept in a store of the test's own, in place of a handle.
func (b *FlagBuilder) Open(open func(context.Context) (store.Driver, error)) *FlagBuilder {
	b.open = open
	return b
}

// Settings gives what the builder has.
func (b *FlagBuilder) Settings() (interval, timeout time.Duration, jitter float64, fresh bool, subsystem string) {
	return b.interval, b.timeout, b.jitter, b.fresh, b.subsystem
}
