package sqlstore

import (
	"path/filepath"

	"github.com/fsnotify/fsnotify"

	"github.com/muster-go/muster/internal/bootclock"
	"github.com/muster-go/muster/store"
)

// maxMissed is how many changes in a row a poll may find that no notice told of, before notices
// are no longer relied upon: some mounts have none.
const maxMissed = 3

// notices hears from the kernel when the files of the store change, so that at rest the poll has
// little to do, and a change is told within milliseconds. Where there are none the poll does it all.
type notices struct {
	watcher *fsnotify.Watcher // nil: none to be had
	dir     string            // what is watched
	missed  int               // changes in a row that came without one
	fresh   bool              // one came since the last look
}

// newNotices gives none for a clock that isn't the machine's: notices come in real time.
func newNotices(clk store.Clock) *notices {
	n := &notices{}
	if clk == bootclock.Clock {
		n.watcher, _ = fsnotify.NewWatcher() // nil where a user has too many already
	}
	return n
}

// follow watches the folder of the files that were opened now.
func (n *notices) follow(p place) {
	if n.watcher == nil {
		return
	}
	if n.dir != "" {
		_ = n.watcher.Remove(n.dir) // it may be gone
	}
	n.dir = p.dir()
	if n.watcher.Add(n.dir) != nil {
		n.dir = ""
	}
}

// relied tells whether a change would surely be heard of.
func (n *notices) relied() bool { return n.dir != "" && n.missed < maxMissed }

func (n *notices) events() <-chan fsnotify.Event {
	if n.watcher == nil {
		return nil
	}
	return n.watcher.Events
}

func (n *notices) errors() <-chan error {
	if n.watcher == nil {
		return nil
	}
	return n.watcher.Errors
}

// concerns tells whether an event is about the database, and takes in the others that wait.
func (n *notices) concerns(e fsnotify.Event, p place) bool {
	found := false
	for {
		name := filepath.Base(e.Name)
		found = found || name == filepath.Base(p.wal()) || name == filepath.Base(p.real)
		select {
		case e = <-n.watcher.Events:
		default:
			n.fresh = n.fresh || found
			return found
		}
	}
}

// changed is told when a look finds a change; unasked says that neither a notice nor this process
// caused the look.
func (n *notices) changed(unasked bool) {
	switch {
	case n.fresh:
		n.missed = 0
	case unasked:
		n.missed++
	}
}

func (n *notices) close() {
	if n.watcher != nil {
		_ = n.watcher.Close()
	}
}
