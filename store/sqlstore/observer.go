package sqlstore

import (
	"errors"
	"time"

	"github.com/muster-go/muster/store"
)

// readSessions notes which renewal numbers are new. A number counts from after the read that first
// showed it: it may have been written just before that read.
func (p *poll) readSessions() error {
	found := make(map[store.SessionID]sighting, len(p.seen))
	err := p.h.poller.each(sqlSessions, nil, func(scan func(...any) error) error {
		var id string
		var s sighting
		err := scan(&id, (*int64)(&s.ttl), &s.renewals)
		found[store.SessionID(id)] = s
		return err
	})
	if err != nil {
		return err
	}
	now := p.d.cfg.Clock.Now()
	p.nextDue = time.Time{}
	for id, s := range found {
		s.since = now
		if before, ok := p.seen[id]; ok && before.renewals == s.renewals {
			s.since = before.since
		}
		found[id] = s
		if due := s.due(); p.nextDue.IsZero() || due.Before(p.nextDue) {
			p.nextDue = due
		}
	}
	p.seen = found
	return nil
}

// expire ends the sessions that are due. It tries once: while others write, the next tick will do.
func (p *poll) expire(now time.Time) {
	if p.nextDue.IsZero() || now.Before(p.nextDue) {
		return
	}
	due := map[store.SessionID]int64{}
	for id, s := range p.seen {
		if !now.Before(s.due()) {
			due[id] = s.renewals
		}
	}
	p.d.end(p.h, due)
}

var errNothingDue = errors.New("renewed or gone in the meantime")

// end deletes sessions, each only if its renewal number is still the one given, with what they own.
func (d *driver) end(h *handle, due map[store.SessionID]int64) {
	select {
	case h.writer.turn <- struct{}{}:
	default:
		return
	}
	defer func() { <-h.writer.turn }()
	_, err := d.transact(h, func(tx *tx) error {
		ended := false
		for id, renewals := range due {
			n, err := tx.do(sqlExpire, string(id), renewals)
			if err != nil {
				return err
			}
			if n > 0 {
				ended = true
				if err := tx.dropOwned(id); err != nil {
					return err
				}
			}
		}
		if !ended {
			return errNothingDue
		}
		return nil
	})
	if err == nil {
		d.wake() // to read the sessions and tell the deletions
	}
}
