package consulstore

import (
	"time"

	"github.com/muster-go/muster/store"
)

// Requests is how many requests a driver has made.
func Requests(d store.Driver) int { return int(d.(*driver).requests.Load()) }

// Views is a watch that is shown views.
type Views struct{ w *watching }

// NewViews begins a watch with a snapshot of its own.
func NewViews(prefix string, records []store.Record, rev uint64, emit func(store.Event)) *Views {
	w := &watching{prefix: prefix, emit: emit}
	w.begin(records, rev, time.Time{}, &view{})
	return &Views{w}
}

// Show shows a view: all records of the feed, ordered by key, the index of the list, and the revision
// up to which it shows everything.
func (v *Views) Show(records []store.Record, index, rev uint64) {
	v.w.tell(state{view: &view{records: records, index: index, rev: rev}})
}
