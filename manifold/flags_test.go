package manifold_test

import (
	"testing"
	"time"

	"github.com/juju/errors"
	"github.com/juju/worker/v4"
	"github.com/juju/worker/v4/dependency"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/engine"
	"github.com/muster-go/muster/manifold"
)

func TestRequireFlagsStartsNothingBelowAFalseFlag(t *testing.T) {
	everywhere(t, func(t *testing.T, run func(dependency.Manifolds) worker.Worker) {
		f := newFloor(t)
		now := after(0)
		run(dependency.Manifolds{
			"yes": manifold.StaticFlag(true), "no": manifold.StaticFlag(false), "also": manifold.StaticFlag(true),
			"both true": manifold.RequireFlags(f.guarded("box", "both true", now), "yes", "also"),
			"one false": manifold.RequireFlags(f.guarded("box", "one false", now), "yes", "no"),
			"no flags":  manifold.RequireFlags(f.guarded("box", "no flags", now)),
		})
		time.Sleep(time.Minute)
		assert.Equal(t, []string{"both true", "no flags"}, f.working("box"))
	})
}

func TestAFalseFlagIsNamedWithItsReason(t *testing.T) {
	var flag engine.Flag = refusing{}
	get := getter(func(_ string, out any) error {
		*out.(*engine.Flag) = flag
		return nil
	})
	m := manifold.RequireFlags(starts(nil, errors.New("started")), "maintenance")
	_, err := m.Start(t.Context(), get)
	require.ErrorIs(t, err, dependency.ErrMissing)
	assert.EqualError(t, err, `flag "maintenance" is false: the disk is full: dependency not available`)
	flag = no{}
	_, err = m.Start(t.Context(), get)
	assert.EqualError(t, err, `flag "maintenance" is false: dependency not available`)
}

type no struct{}

func (no) Check() bool { return false }

type refusing struct{ no }

func (refusing) Reason() string { return "the disk is full" }

func TestARequiredInputIsNoLongerOptional(t *testing.T) {
	m := starts(nil, nil)
	m.Inputs = []string{"store", engine.Optional("flag"), "flag"}
	before := []string{"store", engine.Optional("flag"), "flag"}
	assert.Equal(t, []string{"store", "flag"}, manifold.RequireFlags(m, "flag").Inputs)
	assert.Equal(t, []string{"store", "flag"}, manifold.WhileLeader("flag", m).Inputs)
	assert.Equal(t, before, m.Inputs, "the caller's isn't touched")
}
