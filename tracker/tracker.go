package tracker

import "time"

// Ticket is the answer to a question about leadership, perhaps one that is still to come.
type Ticket interface {
	// Wait blocks until the ticket is resolved, and gives the same answer at every call.
	Wait() bool
	// Ready is closed when Wait will not block.
	Ready() <-chan struct{}
}

// Tracker answers whether this process leads. None of its methods blocks. *Worker is one;
// trackertest has others, for tests.
type Tracker interface {
	// ServiceName is the election's name.
	ServiceName() string
	// ClaimDuration is what a true answer of ClaimLeader guarantees.
	ClaimDuration() time.Duration
	// ClaimLeader asks for leadership now. True: it is guaranteed for at least ClaimDuration from
	// the ticket's issue. False: it isn't, or the tracker stops.
	ClaimLeader() Ticket
	// WaitLeader resolves once this process leads: true if it still does when the ticket is first
	// asked. False if it doesn't any more, or the tracker stops first.
	WaitLeader() Ticket
	// WaitMinion resolves, to false ("not leader"), once leadership can't be guaranteed any more,
	// or the tracker stops.
	WaitMinion() Ticket
}
