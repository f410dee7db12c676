package consulstore_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/muster-go/muster/store"
	"github.com/muster-go/muster/store/consulstore"
)

// history is commits of a store: the n-th, from 1 on, has the revision n.
type history []commit

type commit struct {
	key string
	put bool
}

// at gives the records at a revision, ordered by key, and the index of the newest commit among them.
func (h history) at(rev uint64) (records []store.Record, index uint64) {
	state := map[string]store.Record{}
	for i, c := range h[:rev] {
		index = uint64(i + 1)
		if !c.put {
			delete(state, c.key)
			continue
		}
		r := state[c.key]
		r.Key, r.ModRev = c.key, index
		if r.CreateRev == 0 {
			r.CreateRev = index
		}
		state[c.key] = r
	}
	return slices.SortedFunc(maps.Values(state), func(a, b store.Record) int { return strings.Compare(a.Key, b.Key) }), index
}

// below gives those that a prefix matches.
func below(records []store.Record, prefix string) []store.Record {
	return slices.DeleteFunc(append([]store.Record{}, records...), func(r store.Record) bool {
		return !strings.HasPrefix(r.Key, prefix) || prefix != "" && !strings.HasSuffix(prefix, "/") && r.Key != prefix
	})
}

// Whatever views a watch is shown, older ones than its own snapshot among them: what it tells makes the
// state of the newest, in order, and each event's Rev is true.
func TestAWatchMakesTheRightEventsOfAnyViews(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var h history
		present := map[string]bool{}
		for range rapid.IntRange(1, 40).Draw(t, "commits") {
			key := rapid.SampledFrom([]string{"a/1", "a/2", "a/20", "a/2/3", "b", "b/1", "ba"}).Draw(t, "key")
			put := !present[key] || rapid.Bool().Draw(t, "put")
			present[key] = put
			h = append(h, commit{key, put})
		}
		last := uint64(len(h))
		prefix := rapid.SampledFrom([]string{"", "a/", "a/2", "b", "none/"}).Draw(t, "prefix")
		told := map[string]store.Record{}
		rev, order := rapid.Uint64Range(0, last).Draw(t, "snapshot"), uint64(0)
		check := func(e store.Event) {
			require.GreaterOrEqual(t, e.Rev, order, "Rev of %+v", e)
			reached, _ := h.at(e.Rev)
			for _, r := range below(reached, prefix) {
				now, ok := told[r.Key]
				later := slices.IndexFunc(h[e.Rev:], func(c commit) bool { return c.key == r.Key })
				require.True(t, ok && now.ModRev >= r.ModRev || !ok && later >= 0, "%s isn't told, at %d", r.Key, e.Rev)
			}
			for _, r := range told {
				here := slices.ContainsFunc(reached, func(other store.Record) bool { return other.Key == r.Key })
				require.True(t, here || r.ModRev > e.Rev, "%s was deleted before %d, which wasn't told", r.Key, e.Rev)
			}
		}
		latest := uint64(0) // revision of the latest delta
		emit := func(e store.Event) {
			switch e.Kind {
			case store.EventSnapshot:
				for _, r := range e.Records {
					told[r.Key] = r
				}
				latest = e.Rev
			case store.EventPut:
				require.GreaterOrEqual(t, e.Record.ModRev, latest, "the order of deltas")
				require.Greater(t, e.Record.ModRev, told[e.Record.Key].ModRev)
				told[e.Record.Key], latest = e.Record, e.Record.ModRev
			case store.EventDelete:
				require.GreaterOrEqual(t, e.Rev, latest, "the order of deltas")
				require.Contains(t, told, e.Record.Key)
				delete(told, e.Record.Key)
				latest = e.Rev
			default:
				require.Fail(t, "an event of another kind", "%+v", e)
			}
			if e.Kind != store.EventDelete { // several deletes share one revision
				check(e)
			}
			order = e.Rev
		}
		records, _ := h.at(rev)
		v := consulstore.NewViews(prefix, below(records, prefix), rev, emit)
		shown := rapid.Uint64Range(0, last).Draw(t, "first view")
		for i := range rapid.IntRange(1, 6).Draw(t, "views") {
			if i > 0 {
				shown = rapid.Uint64Range(shown, last).Draw(t, fmt.Sprint("view ", i))
			}
			all, index := h.at(shown)
			v.Show(all, index, rapid.Uint64Range(index, shown).Draw(t, "rev"))
			check(store.Event{Rev: order})
			want, _ := h.at(max(rev, shown))
			got := slices.AppendSeq([]store.Record{}, maps.Values(told))
			slices.SortFunc(got, func(a, b store.Record) int { return strings.Compare(a.Key, b.Key) })
			require.Equal(t, below(want, prefix), got, "after a snapshot at %d and a view at %d of %+v", rev, shown, h)
		}
	})
}
