package server

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/muster-go/muster/store"
)

const (
	// expiryFactor is TTL's share until an observer ends a session: it allows for a clock that is
	// 1 % fast.
	expiryFactor = 1.01
	// mostSeldom is the longest time between two reads of the renewal numbers, and shareOfTTL that of
	// the shortest TTL: how late an observer may learn of the last renewal.
	mostSeldom = idle
	shareOfTTL = 20
	// retryEnd is the time between two tries to end sessions.
	retryEnd = 100 * time.Millisecond
)

// observer knows the renewal numbers of all sessions, in one life of the server.
type observer struct {
	seen map[store.SessionID]sighting
	next time.Time // when to read the numbers again
	due  time.Time // when the first of the sessions is due, or to be tried again; zero: none
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

// wait is how long there is nothing to do.
func (o *observer) wait(now time.Time) time.Duration {
	wait := o.next.Sub(now)
	if !o.due.IsZero() {
		wait = min(wait, o.due.Sub(now))
	}
	return wait
}

// take compares what was read with what is known. A number counts from after the read that first
// showed it: it may have been written just before that read.
func (o *observer) take(found map[store.SessionID]sighting, now time.Time, least time.Duration) {
	shortest := mostSeldom * shareOfTTL
	o.due = time.Time{}
	for id, s := range found {
		s.since = now
		if before, ok := o.seen[id]; ok && before.renewals == s.renewals {
			s.since = before.since
		}
		found[id] = s
		if due := s.due(); o.due.IsZero() || due.Before(o.due) {
			o.due = due
		}
		shortest = min(shortest, s.ttl)
	}
	o.seen = found
	o.next = now.Add(max(shortest/shareOfTTL, least))
}

// over gives the sessions that are due.
func (o *observer) over(now time.Time) map[store.SessionID]int64 {
	due := map[store.SessionID]int64{}
	for id, s := range o.seen {
		if !now.Before(s.due()) {
			due[id] = s.renewals
		}
	}
	return due
}

// observe reads the renewal numbers when it is time, and ends the sessions that are due.
func (p *poll) observe() error {
	if now := p.d.cfg.Clock.Now(); !now.Before(p.observer.next) {
		found, err := own(p.d.ctx, p.d, p.d.polls, "sessions", p.d.cfg.Steady, p.sessions)
		if err != nil {
			return err
		}
		p.observer.take(found, p.d.cfg.Clock.Now(), p.d.cfg.Poll)
	}
	now := p.d.cfg.Clock.Now()
	due := p.observer.over(now)
	if len(due) == 0 {
		return nil
	}
	p.observer.due = now.Add(retryEnd)
	ended, err := p.d.end(due, p.life)
	if err == nil {
		p.observer.next = now // to see what became of them
		if ended {
			p.d.wake()
		}
	}
	return err
}

func (p *poll) sessions(ctx context.Context, c *sql.Conn) (map[store.SessionID]sighting, error) {
	rows, err := c.QueryContext(ctx, p.d.sql.sessions)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	found := map[store.SessionID]sighting{}
	for rows.Next() {
		var id string
		var s sighting
		if err := rows.Scan(&id, (*int64)(&s.ttl), &s.renewals); err != nil {
			return nil, err
		}
		if isID(store.SessionID(id)) { // it becomes part of a statement
			found[store.SessionID(id)] = s
		}
	}
	return found, rows.Err()
}

// end deletes sessions, each only if its renewal number is still the one given, with what they own.
func (d *Driver) end(due map[store.SessionID]int64, life string) (bool, error) {
	return own(d.ctx, d, d.polls, "expire", d.cfg.DB, func(ctx context.Context, c *sql.Conn) (bool, error) {
		return d.cfg.Dialect.end(ctx, d, c, ending{due: due, on: life}, mark())
	})
}

// opaque keeps the words of an error and drops its class.
func opaque(err error) error { return errors.New(err.Error()) }
