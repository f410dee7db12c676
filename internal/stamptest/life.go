package stamptest

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Life is the note that a command left.
type Life struct {
	Token       uint64
	PID         int
	Start, Last int64  // when it began, and its latest stamp; Last is 0 before the first
	Node        string // of the agent whose command it is
	Neighbours  string // the commands that lived when it began
}

// Alive tells whether the command runs.
func (l Life) Alive() bool { return alive(l.PID) }

// Lives are the notes of all commands so far, in the order of their beginnings.
func Lives(t testing.TB, folder string) []Life {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(folder, "*.start"))
	require.NoError(t, err)
	var lives []Life
	for _, name := range names {
		text, err := os.ReadFile(name)
		require.NoError(t, err)
		last, err := os.ReadFile(strings.TrimSuffix(name, ".start") + ".alive")
		require.NoError(t, err)
		var l Life
		fields := strings.Split(strings.TrimSuffix(string(text), "\n"), " ")
		require.Len(t, fields, 4, name)
		l.Node, l.Neighbours = fields[2], fields[3]
		_, err = fmt.Sscan(fields[0], &l.PID)
		require.NoError(t, err)
		_, err = fmt.Sscan(fields[1], &l.Start)
		require.NoError(t, err)
		_, err = fmt.Sscanf(filepath.Base(name), "%d-", &l.Token)
		require.NoError(t, err)
		if len(last) == 8 { // it may not have come to its first stamp
			l.Last = int64(binary.LittleEndian.Uint64(last))
		}
		lives = append(lives, l)
	}
	slices.SortFunc(lives, func(a, b Life) int { return cmp.Compare(a.Start, b.Start) })
	return lives
}

// Verify checks that there were at least so many lives, that none overlapped another, and that their
// tokens rise.
func Verify(t testing.TB, folder string, atLeast int) {
	t.Helper()
	lives := Lives(t, folder)
	assert.GreaterOrEqual(t, len(lives), atLeast)
	for i, l := range lives {
		assert.Empty(t, l.Neighbours, "commands that lived when that of token %d began", l.Token)
		if i > 0 {
			assert.Less(t, lives[i-1].Token, l.Token, "tokens rise")
			assert.Less(t, lives[i-1].Last, l.Start, "token %d's command lived when token %d's began", lives[i-1].Token, l.Token)
		}
	}
}
