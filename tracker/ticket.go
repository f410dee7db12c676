package tracker

import "sync/atomic"

// cell is where all tickets wait that ask the same question in the same state. It refers to none of
// them, so an abandoned ticket is garbage.
type cell struct {
	done chan struct{}
	term *term // the term that answers it, set before done is closed; nil: none
}

func newCell() *cell { return &cell{done: make(chan struct{})} }

// resolve is called from the loop goroutine, once.
func (c *cell) resolve(t *term) {
	c.term = t
	close(c.done)
}

var closed = func() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()

// fixed is a ticket that was resolved when it was issued.
type fixed bool

// The interface values are made once, so that issuing one allocates nothing.
var (
	granted Ticket = fixed(true)
	refused Ticket = fixed(false)
)

func (f fixed) Wait() bool { return bool(f) }

func (fixed) Ready() <-chan struct{} { return closed }

// The answers of a leaderTicket.
const (
	unasked int32 = iota
	yes
	no
)

// leaderTicket is true if, at the first Wait after its cell was resolved, the cell's term is in
// force and reaches until need.
type leaderTicket struct {
	w      *Worker
	cell   *cell
	need   int64
	answer atomic.Int32
}

func (t *leaderTicket) Ready() <-chan struct{} { return t.cell.done }

func (t *leaderTicket) Wait() bool {
	<-t.cell.done
	if t.answer.Load() == unasked {
		answer := no
		if term := t.cell.term; term != nil {
			until := term.until.Load()
			if t.w.now() < until && t.need <= until {
				answer = yes
			}
		}
		t.answer.CompareAndSwap(unasked, answer)
	}
	return t.answer.Load() == yes
}

// minionTicket is always false, once it is resolved.
type minionTicket struct {
	w    *Worker
	done chan struct{}
	term *term // the term whose end it waits for; nil: none has begun yet
}

func (t *minionTicket) Ready() <-chan struct{} {
	if t.over() {
		return closed
	}
	return t.done
}

func (t *minionTicket) Wait() bool {
	if !t.over() {
		<-t.done
	}
	return false
}

// over says whether the lease ended before the loop noticed.
func (t *minionTicket) over() bool {
	return t.term != nil && t.w.now() >= t.term.until.Load()
}

// ClaimLeader implements Tracker. While leading it takes no lock and allocates nothing; when the
// lease is about to be renewed the ticket is resolved by the renewal, or by the lease's end.
// Without leadership the answer is false without a request; only before the Claimer's very first
// answer it waits for that.
func (w *Worker) ClaimLeader() Ticket {
	if t := w.view.Load().term; t != nil {
		if sure := t.sure.Load(); sure != nil && !w.config.Clock.Now().After(*sure) {
			return granted
		}
	}
	return w.claimLeader()
}

// claimLeader is ClaimLeader for all who don't lead for Duration to come.
func (w *Worker) claimLeader() Ticket {
	v := w.view.Load()
	if v.term == nil {
		if v.answered {
			return refused
		}
		return &leaderTicket{w: w, cell: v.claim, need: w.now() + w.duration}
	}
	until := v.term.until.Load()
	now := w.now()
	switch {
	case now+w.duration <= until:
		return granted
	case now >= until:
		return refused
	}
	w.renewNow()
	return &leaderTicket{w: w, cell: v.claim, need: now + w.duration}
}

// renewNow asks the loop for a renewal, unless one is under way.
func (w *Worker) renewNow() {
	select {
	case w.kick <- struct{}{}:
	default:
	}
}

// WaitLeader implements Tracker.
func (w *Worker) WaitLeader() Ticket {
	cell := w.leaderCell()
	if cell == nil {
		return refused
	}
	return &leaderTicket{w: w, cell: cell}
}

// leaderCell is resolved by the present term, or the next; nil: there will be none.
func (w *Worker) leaderCell() *cell {
	v := w.view.Load()
	switch {
	case v.stopped:
		return nil
	case v.term != nil && w.now() >= v.term.until.Load():
		return v.term.next
	}
	return v.leader
}

// WaitMinion implements Tracker. Before the Claimer's very first answer it waits for that.
func (w *Worker) WaitMinion() Ticket {
	v := w.view.Load()
	if v.term == nil && v.answered {
		return refused
	}
	ticket := &minionTicket{w: w, done: v.minion, term: v.term}
	if ticket.over() {
		return refused
	}
	return ticket
}
