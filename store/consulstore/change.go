package consulstore

import (
	"cmp"
	"slices"

	"github.com/muster-go/muster/store"
)

// change tells how a view differs from what was told. A view may be older than what was told, in part or
// as a whole: the watch's own list may have overtaken it.
func (w *watching) change(v *view) {
	next := v.below(w.prefix)
	var puts, deletes, kept []store.Record
	told := w.records
	for len(told) > 0 || len(next) > 0 {
		var order int
		switch {
		case len(told) == 0:
			order = 1
		case len(next) == 0:
			order = -1
		default:
			order = cmp.Compare(told[0].Key, next[0].Key)
		}
		switch {
		case order < 0: // it isn't in the view
			if told[0].ModRev <= v.rev {
				deletes = append(deletes, told[0])
			} else {
				kept = append(kept, told[0])
			}
			told = told[1:]
		case order > 0: // it wasn't told, or its end was
			if next[0].ModRev > w.rev {
				puts, kept = append(puts, next[0]), append(kept, next[0])
			}
			next = next[1:]
		default:
			if next[0].ModRev > told[0].ModRev {
				puts, kept = append(puts, next[0]), append(kept, next[0])
			} else {
				kept = append(kept, told[0])
			}
			told, next = told[1:], next[1:]
		}
	}
	if len(puts)+len(deletes) == 0 {
		w.rev = max(w.rev, v.rev)
		return
	}
	w.records = kept
	slices.SortFunc(puts, func(a, b store.Record) int { return cmp.Or(cmp.Compare(a.ModRev, b.ModRev), cmp.Compare(a.Key, b.Key)) })
	// Consul doesn't say when something was deleted, nor what a record was before it was changed again: so
	// everything up to a revision is told when the last of these is.
	rev := max(w.rev, v.index)
	for i, r := range puts {
		if i == len(puts)-1 && len(deletes) == 0 {
			w.rev = rev
		}
		w.emit(store.Event{Kind: store.EventPut, Record: r, Rev: w.rev})
	}
	for _, r := range deletes {
		w.rev = rev
		w.emit(store.Event{Kind: store.EventDelete, Record: r, Rev: rev})
	}
}
