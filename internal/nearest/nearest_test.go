package nearest_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/muster-go/muster/internal/nearest"
)

func TestName(t *testing.T) {
	tests := []struct {
		name       string
		word       string
		candidates []string
		want       string
	}{
		{"a letter that is missing", "stor", []string{"clock", "store"}, "store"},
		{"a letter too many", "storee", []string{"clock", "store"}, "store"},
		{"a wrong letter", "ztore", []string{"clock", "store"}, "store"},
		{"two letters swapped are one edit", "tsoer", []string{"store"}, "store"},
		{"two edits", "stroee", []string{"store"}, "store"},
		{"three edits are another word", "strrrre", []string{"store"}, ""},
		{"the nearest of several", "gates", []string{"gears", "gate", "mates"}, "gate"},
		{"of two as near the first", "gat", []string{"gap", "gas"}, "gap"},
		{"short names that share nothing", "ab", []string{"x", "yz"}, ""},
		{"one letter in common is enough for a short name", "ab", []string{"yz", "ac"}, "ac"},
		{"an empty word", "", []string{"a", "ab"}, ""},
		{"an empty candidate", "ab", []string{""}, ""},
		{"no candidates", "store", nil, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			assert.Equal(t, test.want, nearest.Name(test.word, test.candidates))
		})
	}
}
