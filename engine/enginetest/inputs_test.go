package enginetest_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/juju/worker/v4/dependency"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/engine/enginetest"
)

func TestInputsGivesWhatFits(t *testing.T) {
	buffer, reader := &bytes.Buffer{}, strings.NewReader("x")
	in := enginetest.Inputs{"buffer": buffer, "name": "web", "many": enginetest.Outputs{7, nil, reader}}

	var same *bytes.Buffer
	require.NoError(t, in.Get("buffer", &same))
	assert.Same(t, buffer, same)

	var asInterface io.Writer
	require.NoError(t, in.Get("buffer", &asInterface))
	assert.Same(t, buffer, asInterface)

	var name string
	require.NoError(t, in.Get("name", &name))
	assert.Equal(t, "web", name)

	var number int
	require.NoError(t, in.Get("many", &number))
	assert.Equal(t, 7, number)
	var second io.Reader
	require.NoError(t, in.Get("many", &second))
	assert.Same(t, reader, second)

	require.NoError(t, in.Get("buffer", nil), "asks only whether it is up")
}

func TestInputsSaysWhyItGivesNothing(t *testing.T) {
	broken := errors.New("broken")
	in := enginetest.Inputs{"broken": broken, "nil": nil, "none": enginetest.Outputs{}, "number": 7, "many": enginetest.Outputs{7, "x"}}
	var out io.Reader

	assert.ErrorIs(t, in.Get("absent", &out), dependency.ErrMissing)
	assert.ErrorIs(t, in.Get("absent", nil), dependency.ErrMissing)
	assert.ErrorIs(t, enginetest.Inputs(nil).Get("absent", nil), dependency.ErrMissing)

	assert.ErrorIs(t, in.Get("broken", &out), broken)
	assert.ErrorIs(t, in.Get("broken", nil), broken)

	assert.NoError(t, in.Get("nil", nil), "it is up")
	assert.ErrorIs(t, in.Get("nil", &out), dependency.ErrMissing)
	assert.ErrorIs(t, in.Get("none", &out), dependency.ErrMissing)

	assert.EqualError(t, in.Get("number", &out), `input "number" is a int, which can't be assigned to a io.Reader`)
	assert.EqualError(t, in.Get("many", &out), `input "many" is a int or a string, which can't be assigned to a io.Reader`)
	assert.EqualError(t, in.Get("number", 7), `input "number": Get wants a pointer to assign to, not a int: pass &v`)
	assert.EqualError(t, in.Get("number", (*int)(nil)), `input "number": Get wants a pointer to assign to, not a *int: pass &v`)
}
