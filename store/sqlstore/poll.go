package sqlstore

import (
	"context"
	"fmt"
	"time"

	"github.com/muster-go/muster/internal/bootclock"
	"github.com/muster-go/muster/store"
	"github.com/muster-go/muster/store/sqlstore/internal/feed"
)

const (
	// reopenEvery is the longest time between two tries to open a lost file.
	reopenEvery = 250 * time.Millisecond
	// walTick is longer than a tick of the kernel's clock, which dates the -wal file: two commits
	// within one may leave it looking the same.
	walTick = 50 * time.Millisecond
	// syncTime is the longest time expected between a commit's last write to the -wal file and its
	// being seen: the disk's, to keep what was written.
	syncTime = 5 * time.Second
	// mostSkipped is how many polls may trust the looks of the -wal file, one after another.
	mostSkipped = 4
	// idle is the time between two looks while notices tell of every change.
	idle = 400 * time.Millisecond
	// spacing is the shortest time between two looks that notices cause.
	spacing = 10 * time.Millisecond
	// firstAgain is the pause after a look that a notice caused and that found nothing: the notice is of the
	// write, and the commit can be seen once the disk has it. The next pauses are each twice as long.
	firstAgain = 2 * time.Millisecond
	// mostAgain is how many such looks follow a notice.
	mostAgain = 5
	// saveAfter is how long a driver that wrote must be at rest until it saves to the file proper.
	saveAfter = time.Second
	// expiryFactor is TTL's share until an observer ends a session: it allows for a clock that is
	// 1 % fast.
	expiryFactor = 1.01
)

// poll is the one loop of a driver: it feeds watches, ends sessions, and opens a lost file anew.
// Only its own goroutine touches it.
type poll struct {
	d       *driver
	h       *handle // nil while the file is lost
	version int64   // data_version when the changes were last read; 0: never
	wal     walState
	settled time.Time // when data_version was asked for often enough since the -wal file changed
	skipped int       // ticks since it was last asked for
	rev     uint64    // told to the watches
	notices *notices
	asked   bool // a notice or this process caused the present look
	again   int  // looks that are still to follow a notice, as nothing was found yet

	seen    map[store.SessionID]sighting
	nextDue time.Time // when the first of them is due; zero: none

	good    time.Time // when a read last worked
	stale   bool      // the watches were told
	reopen  time.Duration
	nextTry time.Time
}

// sighting is the renewal number of a session and when, after which read, it was first known.
type sighting struct {
	renewals int64
	ttl      time.Duration
	since    time.Time
}

func (s sighting) due() time.Time {
	return s.since.Add(time.Duration(float64(s.ttl) * expiryFactor))
}

func newPoll(d *driver, h *handle) *poll {
	p := &poll{d: d, notices: newNotices(d.cfg.Clock)}
	p.adopt(h)
	return p
}

func (p *poll) adopt(h *handle) {
	p.h, p.version, p.rev, p.wal = h, 0, h.start, walState{}
	p.seen, p.nextDue = map[store.SessionID]sighting{}, time.Time{}
	p.good, p.stale, p.reopen = p.d.cfg.Clock.Now(), false, 0
	p.notices.follow(h.place)
}

func (p *poll) run() {
	defer p.notices.close()
	timer := p.d.cfg.Clock.NewTimer(p.d.cfg.Poll)
	defer timer.Stop()
	for {
		looked, known := p.d.cfg.Clock.Now(), p.version
		noticed := p.notices.fresh
		p.tick()
		switch {
		case p.version != known:
			p.again = 0
		case noticed:
			p.again = mostAgain
		}
		p.notices.fresh, p.asked = false, false
		pause := p.pause()
		for again := bootclock.Rewind(timer, pause); !again; { // at once, if time passed while it looked
			select {
			case <-timer.Chan():
				again = true
			case <-p.d.nudge:
				p.asked, again = true, true
			case e, ok := <-p.notices.events():
				if !ok {
					return
				}
				if p.h == nil || !p.notices.concerns(e, p.h.place) {
					continue
				}
				switch since := p.d.cfg.Clock.Now().Sub(looked); {
				case since >= spacing:
					again = true
				case pause > spacing: // else the timer is soon enough
					pause = spacing
					again = bootclock.Rewind(timer, spacing-since)
				}
			case err := <-p.notices.errors():
				p.d.cfg.Logger.Debug("notices of changes were lost: looking", "path", p.d.cfg.Path, "err", err)
				again = true
			case <-p.d.closing:
				return
			}
		}
	}
}

// pause is how long the next look can wait.
func (p *poll) pause() time.Duration {
	now := p.d.cfg.Clock.Now()
	if p.again > 0 {
		p.again--
		return min(firstAgain<<(mostAgain-1-p.again), p.d.cfg.Poll)
	}
	if p.h == nil || p.stale || p.version == 0 || !now.After(p.settled.Add(p.d.cfg.Poll)) || !p.notices.relied() {
		return p.d.cfg.Poll
	}
	pause := idle
	if !p.nextDue.IsZero() {
		pause = min(pause, max(p.nextDue.Sub(now), p.d.cfg.Poll))
	}
	return pause
}

func (p *poll) tick() {
	if p.h != nil {
		select {
		case <-p.h.gone:
			p.drop()
		default:
		}
	}
	if p.h == nil && !p.find() {
		return
	}
	if !p.h.use() {
		return // the driver is closing
	}
	h := p.h
	now := p.d.cfg.Clock.Now()
	err := p.look(now)
	if err == nil {
		p.expire(now)
		p.save()
	}
	h.release()
	p.judge(h, now, err)
}

func (p *poll) drop() {
	p.h, p.reopen, p.nextTry = nil, 0, time.Time{}
}

// judge tells the watches how current they are.
func (p *poll) judge(h *handle, looked time.Time, err error) {
	if err == nil {
		p.good = looked
		if p.stale {
			p.stale = false
			p.d.feed.Tell(item{Kind: store.EventCurrent, From: h, Rev: p.rev})
		}
		return
	}
	if lostBy(err) {
		p.d.lose(h, err)
		p.drop()
	}
	p.complain(err)
}

func (p *poll) complain(err error) {
	if p.d.cfg.Clock.Now().Sub(p.good) >= feed.StaleAfter {
		if !p.stale {
			p.d.cfg.Logger.Warn("SQLite store can't be read", "path", p.d.cfg.Path, "err", err)
		}
		p.stale = true
		// Again each time: a watch that began, or was told changes, meanwhile doesn't know.
		p.d.feed.Tell(item{Kind: store.EventStale, Err: opaque(err), Since: p.good})
	}
}

// find opens what stands at the path; false if that failed, or if it isn't time to try.
func (p *poll) find() bool {
	now := p.d.cfg.Clock.Now()
	if now.Before(p.nextTry) {
		return false
	}
	select {
	case <-p.d.closing:
		return false
	default:
	}
	h, present, err := p.d.openHandle(context.Background(), false)
	if err != nil {
		p.d.mu.Lock()
		p.d.lost = opaque(err)
		p.d.mu.Unlock()
		p.reopen = min(max(2*p.reopen, p.d.cfg.Poll), reopenEvery)
		p.nextTry = now.Add(jitter(p.reopen))
		p.complain(err)
		return false
	}
	if !p.d.found(h, present) {
		present.close()
		h.release()
		<-h.closed
		return false
	}
	p.adopt(h)
	p.d.feed.Tell(item{Kind: store.EventReset, From: h})
	p.d.cfg.Logger.Info("SQLite store is back", "path", p.d.cfg.Path, "rev", h.start)
	return true
}

// look asks whether anything changed, and if so reads what.
func (p *poll) look(now time.Time) error {
	wal, err := p.h.checkWAL()
	if err != nil {
		return err
	}
	if wal != p.wal {
		p.notices.changed(!p.asked)
		p.wal, p.settled = wal, now.Add(syncTime)
	}
	if p.version != 0 && now.After(p.settled) && p.skipped < mostSkipped {
		p.skipped++ // this costs a third of asking SQLite, and at rest it is all that happens
		return nil
	}
	p.skipped = 0
	p.d.requests.Add(1)
	var version int64
	if err := p.h.poller.one(sqlDataVersion, nil, &version); err != nil {
		return err
	}
	if version == p.version {
		return nil
	}
	if err := p.readChanges(); err != nil {
		return err
	}
	if err := p.readSessions(); err != nil {
		return err
	}
	if err := p.h.check(); err != nil { // what was read doesn't count
		return err
	}
	p.version = version // a commit since then gives another one
	p.settled = now.Add(walTick)
	return nil
}

func (p *poll) readChanges() error {
	for {
		var rows int
		var newest, pruned uint64
		var items []item
		err := p.h.poller.each(sqlChanges, []any{p.rev}, func(scan func(...any) error) error {
			var id string
			c := item{Kind: store.EventPut, From: p.h}
			var row change
			if err := scan(&newest, &pruned, &id, &row.rev, &row.key, &row.deleted, &row.created, &row.modified, &row.session, &c.Record.Value, &row.live); err != nil {
				return err
			}
			if id != p.h.store || newest < p.rev {
				return fmt.Errorf("SQLite store %s: the content was %w", p.h.path, errReplaced)
			}
			if !row.rev.Valid {
				return nil
			}
			rows++
			newest = row.rev.V
			if row.deleted.V != 0 {
				c.Kind = store.EventDelete
			} else if !row.live {
				return nil // a later change tells
			}
			c.Rev = row.rev.V
			c.Record.Key, c.Record.CreateRev, c.Record.ModRev = row.key.String, row.created.V, row.modified.V
			c.Record.Session = store.SessionID(row.session.String)
			items = append(items, c)
			return nil
		})
		if err != nil {
			return err
		}
		if pruned > p.rev {
			p.d.feed.Tell(item{Kind: store.EventReset, Any: true}) // fell behind: each watch reads everything
			p.rev = newest
			if rows > 0 {
				continue
			}
			return nil
		}
		p.d.feed.Tell(items...)
		p.rev = newest
		if rows == 0 {
			return nil
		}
	}
}

// save brings what this driver committed from the -wal file to the file proper, once it is at rest:
// so somebody who moves or copies only the latter loses little.
func (p *poll) save() {
	p.d.mu.Lock()
	due := p.d.unsaved && lockClock.Now().Sub(p.d.lastEnd) >= saveAfter
	p.d.mu.Unlock()
	if !due {
		return
	}
	select {
	case p.h.writer.turn <- struct{}{}:
		p.d.mu.Lock()
		p.d.unsaved = false
		p.d.mu.Unlock()
		var busy, frames, saved int
		_ = p.h.writer.one(sqlCheckpoint, nil, &busy, &frames, &saved) // if not now, then later
		<-p.h.writer.turn
	default:
	}
}
