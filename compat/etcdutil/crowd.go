package etcdutil

import (
	"slices"
	"strings"
	"sync"

	"github.com/muster-go/muster/store"
)

// crowd is the candidates of an election, as a watch tells of them.
type crowd struct {
	news chan struct{} // capacity 1

	mu      sync.Mutex
	records map[string]store.Record
	rev     uint64 // up to which all is known
	err     error  // why the watch can't succeed as things are
}

// heard takes in an event of the watch.
func (c *crowd) heard(e store.Event) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch e.Kind {
	case store.EventSnapshot, store.EventReset:
		c.records = map[string]store.Record{}
		for _, r := range e.Records {
			c.records[r.Key] = r
		}
	case store.EventPut:
		c.records[e.Record.Key] = e.Record
	case store.EventDelete:
		delete(c.records, e.Record.Key)
	default: // being cut off for less than a TTL is no news
		return
	}
	c.rev, c.err = e.Rev, nil
	c.tell()
}

// refused takes in that the watch can't succeed as things are.
func (c *crowd) refused(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.err = err
	c.tell()
}

// blind gives the error of a watch that can't succeed as things are; nil: it does, or may yet.
func (c *crowd) blind() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

func (c *crowd) tell() {
	select {
	case c.news <- struct{}{}:
	default:
	}
}

// queue gives the candidates in their order, and the revision at which they are known.
func (c *crowd) queue() ([]store.Record, uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var all []store.Record
	for _, r := range c.records {
		all = append(all, r)
	}
	return candidates(all), c.rev
}

// candidates gives those of the records that are candidates of this election, in the order in which
// they came (R9): elections may have names that go on with a "/", and theirs come with a read.
func candidates(records []store.Record) []store.Record {
	own := slices.DeleteFunc(slices.Clone(records), func(r store.Record) bool {
		return r.Key == "" || strings.Contains(r.Key, "/")
	})
	slices.SortFunc(own, store.CompareRecords)
	return own
}

// place gives where a record stands in the queue, as it was created; -1: nowhere.
func place(queue []store.Record, own store.Record) int {
	return slices.IndexFunc(queue, func(r store.Record) bool {
		return r.Key == own.Key && r.CreateRev == own.CreateRev
	})
}
