package memstore

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/juju/clock"

	"github.com/muster-go/muster/store"
)

// Service is the store itself. Make one with NewService; all methods may be called from many
// goroutines at once. It needs no closing.
type Service struct {
	clk store.Clock

	mu       sync.Mutex
	data     data
	lastID   uint64    // of the newest session; never runs back, so an old session's name is never used again
	next     time.Time // no session ends before
	unproven bool
	stopped  time.Time // zero: it runs

	timer   clock.Timer // ends sessions while anybody watches
	armed   time.Time   // when timer fires; zero: it doesn't
	watches map[*watch]struct{}
}

// data is what Snapshot copies.
type data struct {
	rev      uint64
	records  map[string]store.Record
	sessions map[store.SessionID]*session
}

type session struct {
	ttl      time.Duration
	deadline time.Time
	keys     map[string]struct{}
}

// NewService makes an empty store whose sessions end on clk.
func NewService(clk store.Clock) *Service {
	return &Service{clk: clk, data: emptyData(), watches: map[*watch]struct{}{}}
}

func emptyData() data {
	return data{records: map[string]store.Record{}, sessions: map[store.SessionID]*session{}}
}

func (d data) clone() data {
	c := data{rev: d.rev, records: maps.Clone(d.records), sessions: make(map[store.SessionID]*session, len(d.sessions))}
	for id, ses := range d.sessions {
		c.sessions[id] = &session{ttl: ses.ttl, deadline: ses.deadline, keys: maps.Clone(ses.keys)}
	}
	return c
}

// Open gives another client of the service.
func (s *Service) Open() *Driver {
	return &Driver{service: s, closed: make(chan struct{})}
}

// Stop makes the service unreachable: every call fails with store.ErrUnreachable, watches go stale
// and no session ends. Stopping twice is harmless.
func (s *Service) Stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.stopped.IsZero() {
		return
	}
	s.expireDue()
	s.stopped = s.clk.Now()
	s.arm()
	s.wakeAll()
}

// Start ends what Stop began. The clock went on meanwhile: sessions whose TTL has passed end before
// any call is served.
func (s *Service) Start() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped.IsZero() {
		return
	}
	s.stopped = time.Time{}
	s.expireDue()
	s.arm()
	s.wakeAll()
}

// Restart breaks the watches, as a server does that stops and starts with its data kept. Each watch
// goes stale and is then current again, or gets EventReset if it had events still to be told: those
// are lost.
func (s *Service) Restart() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expireDue()
	for w := range s.watches {
		w.cut(s.clk.Now())
	}
}

// Expire ends a session now, as if its TTL had passed. While the service is stopped it takes effect
// at Start.
func (s *Service) Expire(id store.SessionID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expireDue()
	ses, ok := s.data.sessions[id]
	if !ok {
		return
	}
	ses.deadline = s.clk.Now()
	s.next = ses.deadline
	s.expireDue()
}

// Wipe empties the store as if it had been lost and made anew: no records, no sessions, revisions
// from 0, and no proof any more. Watches get EventReset.
func (s *Service) Wipe() { s.replace(emptyData()) }

// Snapshot is a copy of a store's records, sessions and revision, for Restore.
type Snapshot struct{ data data }

// Rev is the revision of the newest commit in it.
func (s Snapshot) Rev() uint64 { return s.data.rev }

// Snapshot copies the store.
func (s *Service) Snapshot() Snapshot {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expireDue()
	return Snapshot{s.data.clone()}
}

// Restore puts the store back to what it was at snap, as an operator does from a backup. Revisions
// go on from that of snap, the TTLs of its sessions start anew, and there is no proof any more.
// Watches get EventReset.
func (s *Service) Restore(snap Snapshot) { s.replace(snap.data.clone()) }

// Rewind numbers what the store has anew, as the import of an export does: records keep their order
// and their sessions, whose TTLs start anew, and their revisions are 1, 2, 3 and so on. Later commits
// take revisions that others had before. Watches get EventReset.
func (s *Service) Rewind() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expireDue()
	d := s.data.clone()
	d.rev = 0
	for _, r := range s.list("").Records {
		d.rev++
		r.CreateRev, r.ModRev = d.rev, d.rev
		d.records[r.Key] = r
	}
	s.put(d)
}

func (s *Service) replace(d data) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.put(d)
}

// put is replace, with the lock held.
func (s *Service) put(d data) {
	s.data, s.unproven = d, true
	s.next = time.Time{}
	now := s.clk.Now()
	for _, ses := range d.sessions {
		ses.deadline = now.Add(ses.ttl)
		s.sooner(ses.deadline)
	}
	for w := range s.watches {
		w.lose()
	}
	s.arm()
}

// The rest is called with the lock held.

// reachable is the error of every call while the service is stopped.
func (s *Service) reachable() error {
	if s.stopped.IsZero() {
		return nil
	}
	return fmt.Errorf("memstore: the service is stopped: %w", store.ErrUnreachable)
}

// sooner notes that a session may end at t.
func (s *Service) sooner(t time.Time) {
	if s.next.IsZero() || t.Before(s.next) {
		s.next = t
	}
}

// expireDue ends the sessions whose TTL has passed, in the order in which it did.
func (s *Service) expireDue() {
	if !s.stopped.IsZero() || len(s.data.sessions) == 0 {
		return
	}
	now := s.clk.Now()
	if now.Before(s.next) {
		return
	}
	s.next = time.Time{}
	var due []store.SessionID
	for id, ses := range s.data.sessions {
		if now.Before(ses.deadline) {
			s.sooner(ses.deadline)
			continue
		}
		due = append(due, id)
	}
	slices.SortFunc(due, func(a, b store.SessionID) int {
		if c := s.data.sessions[a].deadline.Compare(s.data.sessions[b].deadline); c != 0 {
			return c
		}
		return compareIDs(a, b)
	})
	for _, id := range due {
		s.end(id)
	}
	s.arm()
}

// arm sees to it that the timer fires at next, or before, while anybody watches. A timer that turns
// out to be early just looks again: renewals don't touch it.
func (s *Service) arm() {
	if len(s.watches) == 0 || len(s.data.sessions) == 0 || !s.stopped.IsZero() {
		if !s.armed.IsZero() {
			s.timer.Stop()
			s.armed = time.Time{}
		}
		return
	}
	if !s.armed.IsZero() && !s.next.Before(s.armed) {
		return
	}
	s.armed = s.next
	wait := max(0, s.next.Sub(s.clk.Now()))
	if s.timer == nil {
		s.timer = s.clk.AfterFunc(wait, s.fire)
		return
	}
	s.timer.Reset(wait)
}

// fire is what the timer runs, on a goroutine of the clock's, without the lock.
func (s *Service) fire() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.armed = time.Time{}
	s.expireDue()
	s.arm()
}

func (s *Service) wakeAll() {
	for w := range s.watches {
		w.notify()
	}
}
