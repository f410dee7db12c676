package manifold_test

import (
	"io"
	"net/http"
	"testing"

	"github.com/juju/worker/v4/dependency"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/claimer"
	"github.com/muster-go/muster/manifold"
)

// getter is a dependency.Getter made of its Get.
type getter func(name string, out any) error

func (g getter) Get(name string, out any) error { return g(name, out) }

func TestGetGivesWhatTheOutputSets(t *testing.T) {
	got, err := manifold.Get[int](getter(func(_ string, out any) error {
		*out.(*int) = 7
		return nil
	}), "answer")
	require.NoError(t, err)
	assert.Equal(t, 7, got)
}

func TestGetNamesTheInputAndTheTypeAndKeepsTheChain(t *testing.T) {
	_, err := manifold.Get[claimer.Claimer](getter(func(string, any) error { return dependency.ErrMissing }), "locks")
	require.ErrorIs(t, err, dependency.ErrMissing)
	assert.EqualError(t, err, `input "locks" as claimer.Claimer: dependency not available`)
	_, err = manifold.Get[*http.ServeMux](getter(func(string, any) error { return io.EOF }), "mux")
	require.ErrorIs(t, err, io.EOF)
	assert.Contains(t, err.Error(), "*http.ServeMux")
}

func TestGetRefusesAnOutputThatSetsNothing(t *testing.T) {
	_, err := manifold.Get[claimer.Claimer](getter(func(string, any) error { return nil }), "locks")
	require.ErrorContains(t, err, "set nothing")
	assert.NotErrorIs(t, err, dependency.ErrMissing, "waiting wouldn't help")
}
