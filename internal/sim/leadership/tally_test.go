package leadership_test

import (
	"fmt"
	"time"
)

// tally counts what happened in courses.
type tally struct {
	seeds      int
	changes    int // of leadership
	partitions int // a process that reaches nothing, or hears no answer
	pauses     int
	kills      int
	outages    int // of the store
	losses     int // a store that was wiped, restored or rewound
	recovery   time.Duration
}

func (t *tally) add(o tally) {
	t.seeds++
	t.changes += o.changes
	t.partitions += o.partitions
	t.pauses += o.pauses
	t.kills += o.kills
	t.outages += o.outages
	t.losses += o.losses
	t.recovery = max(t.recovery, o.recovery)
}

func (t *tally) String() string {
	return fmt.Sprintf("%d seeds: %d changes of leadership, %d partitions, %d pauses, %d kills, %d outages and %d losses of the store; recovered within %v",
		t.seeds, t.changes, t.partitions, t.pauses, t.kills, t.outages, t.losses, t.recovery.Round(time.Millisecond))
}
