//go:build unix

package sqlstore_test

import (
	"context"
	"slices"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/store"
)

func TestProcessesThatHammerOneFileLoseNoUpdate(t *testing.T) {
	t.Parallel()
	const processes, times = 4, 40
	path := newPath(t)
	d := open(t, path)
	w := watch(t, d, "number")
	var hammers []*process
	for range processes {
		hammers = append(hammers, start(t, "hammer", path, strconv.Itoa(times)))
	}
	var all []int
	for _, p := range hammers {
		last := 0
		for range times {
			rev, err := strconv.Atoi(p.line(t))
			require.NoError(t, err)
			require.Greater(t, rev, last, "of two writes of one process the later has the greater revision")
			last = rev
			all = append(all, rev)
		}
		require.NoError(t, p.Wait())
	}
	slices.Sort(all)
	for i, rev := range all {
		require.Equal(t, i+1, rev, "revisions are dense, and each belongs to one write")
	}
	snapshot, err := d.List(context.Background(), "number")
	require.NoError(t, err)
	assert.Equal(t, strconv.Itoa(processes*times), string(snapshot.Records[0].Value))
	for e := w.wait(t, store.EventPut); e.Rev < processes*times; {
		next := w.wait(t, store.EventPut)
		require.Greater(t, next.Rev, e.Rev, "a watch tells in the order of revisions")
		e = next
	}
}

func TestAProcessKilledInTheMiddleHarmsNobody(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	d := open(t, path)
	for round := range 3 {
		p := start(t, "hammer", path, "100000")
		for range 10 * (round + 1) {
			p.line(t)
		}
		require.NoError(t, p.Process.Kill())
		printed := 10 * (round + 1)
		for p.out.Scan() {
			printed++
		}
		_ = p.Wait()
		before, err := d.List(context.Background(), "number")
		require.NoError(t, err)
		n, err := strconv.Atoi(string(before.Records[0].Value))
		require.NoError(t, err)
		assert.GreaterOrEqual(t, n, printed, "what was reported as written is there")
		assert.Equal(t, uint64(n), before.Rev, "nothing else was written")
		rev, err := increment(d)
		require.NoError(t, err)
		assert.Equal(t, uint64(n)+1, rev)
	}
}
