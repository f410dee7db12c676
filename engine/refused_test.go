package engine_test

import (
	"context"
	"errors"
	"testing"

	"github.com/juju/worker/v4"
	"github.com/juju/worker/v4/dependency"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/engine"
)

func TestCheckGivesTheReasonOfWhatRefusedSays(t *testing.T) {
	start := func(context.Context, dependency.Getter) (worker.Worker, error) { panic("started") }
	manifolds := dependency.Manifolds{
		"store": {Start: start, Inputs: []string{engine.Refused(errors.New("no URL: did you mean mem://?"))}},
		"app":   {Start: start, Inputs: []string{"sture", engine.Optional("store")}},
	}
	_, err := engine.New(engine.Config{}, manifolds)
	refused, ok := errors.AsType[*engine.CheckError](err)
	require.True(t, ok)
	assert.Equal(t, []engine.Fault{
		{Manifold: "app", Reason: `its input "sture" doesn't exist: did you mean "store"?`},
		{Manifold: "store", Reason: "no URL: did you mean mem://?"},
	}, refused.Faults)
}
