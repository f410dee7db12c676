package manifold

import (
	"context"
	"fmt"

	"github.com/juju/worker/v4"
	"github.com/juju/worker/v4/dependency"

	"github.com/muster-go/muster/engine"
	"github.com/muster-go/muster/store"
)

// refused is what a constructor gives for a Config that can't work: engine.New refuses the whole
// set with that reason, beside all the others, before anything runs. Any other engine hears of it
// from Start.
func refused(err error) dependency.Manifold {
	return dependency.Manifold{
		Inputs: []string{engine.Refused(err)},
		Start:  func(context.Context, dependency.Getter) (worker.Worker, error) { return nil, err },
	}
}

// invalid is the error of a Config of the manifold that what names.
func invalid(what, format string, args ...any) error {
	return fmt.Errorf("%s: %s: %w", what, fmt.Sprintf(format, args...), store.ErrInvalid)
}
