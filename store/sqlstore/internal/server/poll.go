package server

import (
	"context"
	"database/sql"
	"math/rand/v2"
	"time"

	"github.com/muster-go/muster/internal/bootclock"
	"github.com/muster-go/muster/store"
	"github.com/muster-go/muster/store/sqlstore/internal/feed"
)

const (
	// idle is the time between two looks while notices tell of every change.
	idle = 400 * time.Millisecond
	// spacing is the shortest time between two looks that notices or writes cause.
	spacing = 10 * time.Millisecond
	// page is how many changes the dialects' statements read at once.
	page = 500
	// lastName comes after every key.
	lastName = "\x7f"
)

// poll is the one loop of a driver: it feeds watches, ends sessions, and makes the tables anew when
// they are gone. Only its own goroutine touches it.
type poll struct {
	d          *Driver
	generation uint64
	rev        uint64 // told to the watches, if name is lastName: completely
	name       string // else up to this key
	mark       int64  // of rev, if marked
	marked     bool
	life       string
	keep       uint64 // commits of the change log from which on this driver prunes it
	unheard    int    // changes in a row that no notice told of
	nudged     bool   // a notice or this process's write caused the present look

	observer observer

	good  time.Time // when a look last worked
	stale bool      // the watches were told
}

func newPoll(d *Driver, m meta) *poll {
	p := &poll{d: d, good: d.cfg.Clock.Now(), life: m.life}
	p.follow()
	p.mark, p.marked = m.mark, true
	// Not all are to prune at once.
	p.keep = d.cfg.keep + pruneEvery + rand.Uint64N(pruneEvery)
	return p
}

// follow begins to tell the driver's present generation from its start.
func (p *poll) follow() {
	now := p.d.sight()
	p.generation, p.rev, p.name, p.marked = now.generation, now.start, lastName, false
	p.observer = observer{}
}

func (p *poll) run() {
	timer := p.d.cfg.Clock.NewTimer(p.d.cfg.Poll)
	defer timer.Stop()
	for {
		looked := p.d.cfg.Clock.Now()
		p.look()
		p.nudged = false
		for again := bootclock.Rewind(timer, p.pause()); !again; { // at once, if time passed while it looked
			select {
			case <-timer.Chan():
				again = true
			case <-p.d.nudge:
				p.nudged = true
				if rest := spacing - p.d.cfg.Clock.Now().Sub(looked); rest > 0 {
					again = bootclock.Rewind(timer, rest)
				} else {
					again = true
				}
			case <-p.d.ctx.Done():
				return
			}
		}
	}
}

// pause is how long the next look can wait.
func (p *poll) pause() time.Duration {
	pause := p.d.cfg.Poll
	if p.d.hearing.Load() && !p.stale {
		pause = idle
	}
	return min(pause, max(p.observer.wait(p.d.cfg.Clock.Now()), spacing))
}

func (p *poll) look() {
	began := p.d.cfg.Clock.Now()
	err := p.readChanges()
	if err == nil {
		p.current(began)
		err = p.observe()
	}
	if err == nil || p.d.ctx.Err() != nil {
		return
	}
	if p.d.missing(err) {
		p.recreate()
	}
	if p.d.cfg.Clock.Now().Sub(p.good) >= feed.StaleAfter {
		if !p.stale {
			p.d.cfg.Logger.Warn("the store can't be read", "store", p.d.cfg.Name, "err", err)
		}
		p.stale = true
		// Again each time: a watch that began, or was told changes, meanwhile doesn't know.
		p.d.feed.Tell(feed.Item[uint64]{Kind: store.EventStale, Err: opaque(err), Since: p.good})
	}
}

// current notes that the watches were told everything that was committed when the look began.
func (p *poll) current(began time.Time) {
	p.good = began
	if p.stale {
		p.stale = false
		p.d.cfg.Logger.Info("the store can be read again", "store", p.d.cfg.Name, "rev", p.rev)
		p.d.feed.Tell(feed.Item[uint64]{Kind: store.EventCurrent, From: p.generation, Rev: p.rev})
	}
}

// recreate makes the tables that somebody dropped.
func (p *poll) recreate() {
	m, err := own(p.d.ctx, p.d, p.d.polls, "making the tables", p.d.cfg.DB, p.d.create)
	if err != nil {
		p.d.cfg.Logger.Debug("the tables are missing", "store", p.d.cfg.Name, "err", err)
		return
	}
	p.d.diverged(p.generation, m.store, m.rev)
	p.follow()
}

// news is what one look at the change log found.
type news struct {
	rev, pruned uint64
	store       string
	mark        int64
	life        string
	known       sql.Null[int64] // the mark of the revision that was told last, if it is in the log
	rows        int
	items       []feed.Item[uint64]
	last        uint64 // of the last row
	lastName    string
	lastMark    int64
}

// readChanges tells the watches what has changed.
func (p *poll) readChanges() error {
	for {
		if p.d.sight().generation != p.generation {
			p.follow()
		}
		n, err := own(p.d.ctx, p.d, p.d.polls, "poll", p.d.cfg.Steady, p.changes)
		if err != nil {
			return err
		}
		switch {
		case p.diverged(n):
			p.d.diverged(p.generation, n.store, n.rev)
			continue
		case n.pruned > p.rev, n.pruned == p.rev && p.name != lastName, n.rows == 0 && n.rev > p.rev: // fell behind: each watch reads everything
			p.d.feed.Tell(feed.Item[uint64]{Kind: store.EventReset, Any: true})
			p.rev, p.name, p.mark, p.marked = n.rev, lastName, n.mark, true
			n.items, n.rows = nil, 0
		case n.rows > 0:
			p.heard()
			p.rev, p.name, p.mark, p.marked = n.last, n.lastName, n.lastMark, true
		default:
			p.mark, p.marked = n.mark, true
		}
		if n.rows < page {
			p.name = lastName
		}
		if n.life != p.life {
			p.life, p.observer = n.life, observer{} // it may have forgotten renewals that it acknowledged
		}
		p.d.feed.Tell(n.items...)
		if n.rows < page {
			p.prune(n)
			return nil
		}
	}
}

// diverged tells whether the history isn't the one that was told.
func (p *poll) diverged(n news) bool {
	told := p.d.sight()
	switch {
	case n.store != told.store, n.rev < p.rev, n.rev < told.start:
		return true
	case !p.marked:
		return false
	case n.rev == p.rev:
		return n.mark != p.mark
	}
	return n.known.Valid && n.known.V != p.mark
}

func (p *poll) changes(ctx context.Context, c *sql.Conn) (news, error) {
	rows, err := c.QueryContext(ctx, p.d.sql.changes, p.d.cfg.Dialect.since(int64(p.rev), p.name)...)
	if err != nil {
		return news{}, err
	}
	defer func() { _ = rows.Close() }()
	var n news
	for rows.Next() {
		var rev, created, modified sql.Null[uint64]
		var key, session sql.NullString
		var mark sql.Null[int64]
		var deleted sql.Null[int]
		var value []byte
		var live bool
		if err := rows.Scan(&n.rev, &n.pruned, &n.store, &n.mark, &n.life, &n.known,
			&rev, &key, &mark, &deleted, &created, &modified, &session, &value, &live); err != nil {
			return news{}, err
		}
		if !rev.Valid {
			break
		}
		n.rows++
		n.last, n.lastName, n.lastMark = rev.V, key.String, mark.V
		it := feed.Item[uint64]{Kind: store.EventPut, From: p.generation, Rev: rev.V, Record: store.Record{
			Key: key.String, Value: value, CreateRev: created.V, ModRev: modified.V, Session: store.SessionID(session.String),
		}}
		if deleted.V != 0 {
			it.Kind, it.Record.Value = store.EventDelete, nil
		} else if !live {
			continue // a later change tells
		}
		n.items = append(n.items, it)
	}
	if err := rows.Err(); err != nil {
		return news{}, err
	}
	if n.store == "" {
		return news{}, errNoMeta
	}
	return n, nil
}

// prune forgets old changes, now and then.
func (p *poll) prune(n news) {
	if n.rev <= n.pruned+p.keep {
		return
	}
	_, err := own(p.d.ctx, p.d, p.d.polls, "prune", p.d.cfg.DB, func(ctx context.Context, c *sql.Conn) (struct{}, error) {
		return struct{}{}, p.d.cfg.Dialect.prune(ctx, p.d, c, int64(n.rev-p.d.cfg.keep))
	})
	if err != nil {
		p.d.cfg.Logger.Debug("old changes are kept for now", "store", p.d.cfg.Name, "err", err)
	}
}
