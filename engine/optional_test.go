package engine

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestSplitInputs(t *testing.T) {
	names, optional := splitInputs([]string{"store", Optional("metrics"), "clock"})
	assert.Equal(t, []string{"store", "metrics", "clock"}, names)
	assert.Equal(t, map[string]bool{"metrics": true}, optional)

	names, optional = splitInputs(nil)
	assert.Empty(t, names)
	assert.Empty(t, optional)
}
