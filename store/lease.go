package store

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/muster-go/muster/internal/bootclock"
	"github.com/muster-go/muster/internal/chance"
)

// Lease is one grant of a Session: alive until its deadline, which renewals move on, or until it is
// lost, for good. The deadline is local (R1): counted from before the renewal that moved it was
// sent, compared with Now at each use, and never moved by an answer that comes after it. Nor does it
// lie further from the latest read of the era than those wait who see a new one (R5): a session that
// a restored store goes on to renew ends in time, though its process hears nothing of the restore.
type Lease struct {
	session *Session
	store   *Store
	id      SessionID
	era     string

	deadline atomic.Int64 // time.Duration since store.base
	told     atomic.Int64 // the latest deadline that Deadline gave
	over     atomic.Bool

	mu         sync.Mutex
	err        error
	lost       chan struct{}
	sent       time.Duration // the latest renewal that was answered, since store.base
	confirmed  time.Duration // the latest read that showed the lease's era, before it was sent
	renewed    chan struct{} // closed and replaced when the deadline may have moved
	live       map[string]uint64
	sweepUntil time.Duration // since store.base; sweep at each renewal until then
	sweeping   sync.Mutex
	promised   time.Duration // what Extend promised, since store.base
	holds      int
	unheld     chan struct{} // closed while there are no holds
}

func newLease(x *Session, id SessionID, era string, sent, confirmed time.Duration) *Lease {
	l := &Lease{
		session: x, store: x.store, id: id, era: era,
		lost:    make(chan struct{}),
		renewed: make(chan struct{}),
		unheld:  make(chan struct{}),
		live:    map[string]uint64{},
		sent:    sent, confirmed: confirmed,
	}
	close(l.unheld)
	l.deadline.Store(int64(l.until()))
	return l
}

// ID is the session's name in the service.
func (l *Lease) ID() SessionID { return l.id }

// TTL is the session's.
func (l *Lease) TTL() time.Duration { return l.session.ttl }

// Deadline is the moment up to which the service surely keeps the session and its records,
// administrators aside: should the lease be lost before, this process revokes it no sooner. It has no
// meaning after Lost.
func (l *Lease) Deadline() time.Time {
	deadline := l.deadline.Load()
	for told := l.told.Load(); told < deadline && !l.told.CompareAndSwap(told, deadline); told = l.told.Load() {
	}
	return l.store.base.Add(time.Duration(deadline))
}

// Valid tells whether the lease is alive now. Once false it stays false.
func (l *Lease) Valid() bool {
	if l.over.Load() {
		return false
	}
	if l.store.now() < time.Duration(l.deadline.Load()) {
		return true
	}
	l.lose(fmt.Errorf("%w: not renewed in time: its deadline has passed", ErrSessionGone))
	return false
}

// Lost is closed when the lease is over, at its deadline at the latest.
func (l *Lease) Lost() <-chan struct{} { return l.lost }

// Err tells why the lease is over; nil while it isn't.
func (l *Lease) Err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

// lose ends the lease for good.
func (l *Lease) lose(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err == nil {
		l.err = err
		l.over.Store(true)
		close(l.lost)
	}
}

// extend moves the deadline on for a renewal, or a read of the era, that was sent then. An answer
// after the deadline changes nothing.
func (l *Lease) extend(sent, confirmed time.Duration) {
	if !l.Valid() {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return
	}
	l.sent, l.confirmed = max(l.sent, sent), max(l.confirmed, confirmed)
	l.deadline.Store(int64(l.until()))
	close(l.renewed)
	l.renewed = make(chan struct{})
}

// until is the deadline as far as is known; with the lock held, or before the lease is shown.
func (l *Lease) until() time.Duration {
	return min(l.sent+l.session.Guarantee(), l.confirmed+l.store.unaware(l.session.ttl))
}

// unconfirmed tells whether the era was read so long ago that it shortens what a renewal gives.
func (l *Lease) unconfirmed() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.confirmed+l.store.unaware(l.session.ttl) < l.store.now()+l.session.Guarantee()
}

// Extend returns nil as soon as the lease surely lives for d from now: normally at once, else after
// the next renewal, which it asks for. A d beyond Session.Guarantee is refused with ErrInvalid; a
// lease that is over gives its error.
func (l *Lease) Extend(ctx context.Context, d time.Duration) error {
	if most := l.session.Guarantee(); d > most {
		return fmt.Errorf("a lease of %v can't promise %v: at most %v: %w", l.TTL(), d, most, ErrInvalid)
	}
	for {
		l.mu.Lock()
		renewed := l.renewed
		l.mu.Unlock()
		if !l.Valid() {
			return l.Err()
		}
		if l.promise(d) {
			return nil
		}
		select {
		case l.session.kick <- struct{}{}:
		default: // asked for already
		}
		select {
		case <-renewed:
		case <-l.lost:
		case <-ctx.Done():
			return fmt.Errorf("no renewal yet: %w", ctx.Err())
		}
	}
}

// promise notes that the lease lives for d from now, if it surely does.
func (l *Lease) promise(d time.Duration) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	until := l.store.now() + d
	if l.err != nil || until > time.Duration(l.deadline.Load()) {
		return false
	}
	l.promised = max(l.promised, until)
	return true
}

// Hold counts guarded work on the lease: as long as there is any, the session is not revoked by
// this process, even if the lease is lost (R12). On a lease that is Valid after Hold this is sure;
// one that was lost before may have been revoked already. Release drops the count, once.
func (l *Lease) Hold() (release func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.holds == 0 {
		l.unheld = make(chan struct{})
	}
	l.holds++
	return sync.OnceFunc(func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.holds--; l.holds == 0 {
			close(l.unheld)
		}
	})
}

func (l *Lease) held() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.holds > 0
}

// renewal is the answer to one.
type renewal struct {
	sent time.Duration
	err  error
}

// keep renews the lease every 0.15 TTL, or by up to Config.Jitter sooner, and sooner when Extend asks, though not within TTL/50 of the
// latest one, until it is lost or ctx ends.
// It never waits for the driver: a renewal without an answer is followed by another one after a
// fifth of the TTL, and its answer still counts if it comes before the deadline.
func (l *Lease) keep(ctx context.Context) {
	s, ttl := l.store, l.session.ttl
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	every := ttl * 15 / 100
	pause := func() time.Duration {
		return every - chance.Upto(s.random, time.Duration(float64(every)*s.cfg.Jitter))
	}
	retry := backoff{first: ttl / 50, most: every, random: s.random}
	next := s.clk.NewTimer(pause())
	defer next.Stop()
	limit := s.clk.NewTimer(time.Duration(l.deadline.Load()) - s.now())
	defer limit.Stop()
	answers := make(chan renewal)
	busy, renewals := 0, 0
	last := -ttl // when the latest was begun
	renew := func() {
		last = s.now()
		bootclock.Rewind(next, ttl/5)
		if place, ok := l.session.renewals.tryEnter(); ok {
			busy++
			go func() {
				r := l.renew(ctx, place)
				select {
				case answers <- r:
				case <-ctx.Done():
				}
			}()
		}
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-l.lost:
			return
		case <-limit.Chan():
			if !l.Valid() {
				return
			}
			limit.Reset(time.Duration(l.deadline.Load()) - s.now())
		case <-next.Chan():
			renew()
		case <-l.session.kick:
			// Not again at once: while the era can't be read, a renewal doesn't give what was asked for.
			if busy == 0 {
				bootclock.Rewind(next, max(last+ttl/50-s.now(), 0))
			}
		case r := <-answers:
			busy--
			switch {
			case r.err == nil:
				l.extend(r.sent, 0)
				retry.reset()
				bootclock.Rewind(next, pause())
				renewals++
				l.lookAfter(ctx, renewals%10 == 0)
			case isGone(r.err):
				l.lose(fmt.Errorf("the service no longer has it: %w", r.err))
				return
			default:
				s.log.Debug("renewal failed", "session", l.id, "err", r.err)
				if busy == 0 {
					bootclock.Rewind(next, retry.wait())
				}
			}
		}
	}
}

// renew asks once; the moment of sending is read before the request leaves. The driver is told to
// give up after a third of the TTL, or when the lease is over.
func (l *Lease) renew(ctx context.Context, place *slot) renewal {
	s := l.store
	defer place.leave()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(ctx, place.abandon)()
	limit := s.clk.AfterFunc(l.session.ttl/3, cancel)
	defer limit.Stop()
	sent := s.now()
	err := s.driver.Renew(ctx, l.id)
	s.meter.request("renew", err)
	return renewal{sent, err}
}

// lookAfter does, after a renewal, what keeps the store clean and the era trustworthy.
func (l *Lease) lookAfter(ctx context.Context, tenth bool) {
	if l.unconfirmed() {
		l.store.loops.Go(func() { l.store.root.checkBy(ctx, l.list) })
	}
	if tenth || l.suspicious() {
		l.store.loops.Go(func() { l.sweep(ctx) })
	}
}

// list reads what the lease needs to go on; like a renewal it is given up after a third of the TTL.
func (l *Lease) list(ctx context.Context, prefix string) (Snapshot, error) {
	s := l.store
	limit := min(s.cfg.CallTimeout, l.session.ttl/3)
	return call(ctx, s, l.session.reads, "list", limit, func(ctx context.Context) (Snapshot, error) { return s.driver.List(ctx, prefix) })
}

// revoke ends the session in the service once no guarded work holds it; with persist it keeps what
// Extend promised and Deadline told, for a lease can be lost before that, and tries again until the end is known or
// ctx ends.
func (l *Lease) revoke(ctx context.Context, persist bool) {
	l.mu.Lock()
	unheld := l.unheld
	l.mu.Unlock()
	select {
	case <-unheld:
	case <-ctx.Done():
		return
	}
	l.mu.Lock()
	rest := max(l.promised, time.Duration(l.told.Load())) - l.store.now()
	l.mu.Unlock()
	if persist && rest > 0 && !l.store.sleep(ctx, rest) {
		return
	}
	retry := backoff{first: l.session.ttl / 20, most: l.session.ttl, random: l.store.random}
	for ctx.Err() == nil {
		_, err := call(ctx, l.store, l.session.revocations, "revoke", l.store.cfg.CallTimeout, func(ctx context.Context) (struct{}, error) {
			return struct{}{}, l.store.driver.Revoke(ctx, l.id)
		})
		if err == nil || isGone(err) || permanent(err) {
			return
		}
		if !persist && !l.store.sleep(ctx, 50*time.Millisecond) || persist && !l.store.sleep(ctx, retry.wait()) {
			return
		}
	}
}
