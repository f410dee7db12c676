package leadership_test

import (
	"sync"
	"time"

	"github.com/muster-go/muster/internal/sim"
)

// ledger is who was promised what, and what must hold of it.
type ledger struct {
	w     *sim.World
	books []*book
	lost  *rollback // the latest

	mu sync.Mutex // candidates add guarantees while the world comes to rest
}

// rollback is a restore or a rewind.
type rollback struct {
	at       time.Duration
	ignorant map[*sim.Process]bool // who couldn't tell
	ended    bool                  // nobody held anything any more: only tokens may begin anew
}

// book is one election.
type book struct {
	name string

	highest uint64 // later holders' tokens are greater
	who     *party // who led last
	token   uint64
	led     time.Duration // when somebody led last
	changes int
	asked   time.Duration // until then a holder may resign because it was asked to

	stands     []*stand
	guarantees []*guarantee
}

// party is one candidate: a tracker, or a direct user of a queue.
type party struct {
	p     *sim.Process
	name  string
	token uint64 // of its latest term
}

// guarantee is that nobody else leads.
type guarantee struct {
	by    *party
	token uint64 // 0: unknown
	what  string
	live  func() bool
	since time.Duration
	over  bool
}

// add notes a guarantee, from now on.
func (l *ledger) add(b *book, g *guarantee) *guarantee {
	l.mu.Lock()
	defer l.mu.Unlock()
	g.since = l.w.Now()
	b.guarantees = append(b.guarantees, g)
	return g
}

// end ends a guarantee, because its owner gives it up.
func (l *ledger) end(g *guarantee) {
	l.mu.Lock()
	defer l.mu.Unlock()
	g.over = true
}

func newLedger(w *sim.World, elections []string) *ledger {
	l := &ledger{w: w}
	for _, name := range elections {
		l.books = append(l.books, &book{name: name})
	}
	w.Check(l.check)
	return l
}

// check is called after everything that happens.
func (l *ledger) check() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, b := range l.books {
		l.checkBook(b)
	}
}

func (l *ledger) checkBook(b *book) {
	var first *guarantee
	see := func(g *guarantee) {
		b.led = l.w.Now()
		switch {
		case first == nil:
			first = g
		case first.by == g.by:
		case l.excused(b, first, g):
		default:
			l.w.Fail("%s: two at once: %s of %s (token %d, since %v) and %s of %s (token %d, since %v)",
				b.name, first.what, first.by.name, first.token, first.since, g.what, g.by.name, g.token, g.since)
		}
	}
	keep := b.stands[:0]
	for _, s := range b.stands {
		if s.a.p.Dead() || s.gone.Load() {
			continue
		}
		keep = append(keep, s)
		s.look()
		if s.leads {
			l.change(b, s.by, s.token)
			see(&guarantee{by: s.by, token: s.token, what: "leadership", since: s.since})
		}
		if s.promised() {
			see(&guarantee{by: s.by, token: s.toldToken, what: "a deadline", since: s.since})
		}
	}
	b.stands = keep
	live := b.guarantees[:0]
	for _, g := range b.guarantees {
		if g.over || g.by.p.Dead() {
			continue
		}
		live = append(live, g)
		if g.live() {
			see(g)
		}
	}
	clear(b.guarantees[len(live):])
	b.guarantees = live
}

// change takes in who leads with which token.
func (l *ledger) change(b *book, by *party, token uint64) {
	if b.who == by && b.token == token {
		return
	}
	if by.token == token && l.unheard() { // beside one that can't tell
		return
	}
	l.w.Note(by.name, "leads %s with token %d", b.name, token)
	b.changes++
	by.token = token
	if token <= b.highest && !l.cantTell(by.p) {
		l.w.Fail("%s: %s leads with token %d after %d", b.name, by.name, token, b.highest)
	}
	b.who, b.token = by, token
	b.highest = max(b.highest, token)
}

// excused tells whether what is promised allows these two.
func (l *ledger) excused(b *book, one, other *guarantee) bool {
	if l.unheard() && !l.lost.ended && (l.cantTell(one.by.p) || l.cantTell(other.by.p)) {
		return true
	}
	return l.w.Now() < b.asked && (one.what == "a ticket" || one.what == "a deadline" || other.what == "a ticket" || other.what == "a deadline")
}

// cantTell says that the process can't know of a restore under living holders, who may still be
// about.
func (l *ledger) cantTell(p *sim.Process) bool {
	if !l.unheard() {
		return false
	}
	known, there := l.lost.ignorant[p]
	return known || !there
}

// unheard says that a holder may still not have heard of a restore under it.
func (l *ledger) unheard() bool {
	return l.lost != nil && l.w.Now() <= l.lost.at+longestTTL*16/10
}

// roll notes that the store went back, under living holders or after they ended, and whom it tells
// nothing.
func (l *ledger) roll(all []*sim.Process, rev uint64, ended bool) {
	r := &rollback{at: l.w.Now(), ignorant: map[*sim.Process]bool{}, ended: ended}
	for _, p := range all {
		r.ignorant[p] = p.Seen("root/") <= rev || l.cantTell(p)
	}
	l.lost = r
}

// cap says that no token beyond highest has a witness any more.
func (l *ledger) cap(highest uint64) {
	for _, b := range l.books {
		b.highest = min(b.highest, highest)
	}
}
