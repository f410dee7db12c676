package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// Session is the one session that a process has for a TTL on a store (R3): every election and
// registration with that TTL shares it, so that a thousand of them cost one renewal. A session
// that is lost is granted anew, with jittered backoff, for ever; each grant is a Lease.
type Session struct {
	store *Store
	ttl   time.Duration

	grants, renewals, revocations, reads *slots

	cancel context.CancelFunc
	ended  chan struct{} // closed when the loop has ended
	kick   chan struct{} // asks for a renewal now

	refs int // with store.mu

	mu      sync.Mutex
	lease   *Lease        // nil while there is none
	err     error         // why there is none
	changed chan struct{} // closed and replaced when lease or err changes
}

// Session gives the process's session for the TTL, and starts it if there is none yet. Each call
// wants a Close of its own. A TTL that the store can't keep is refused with ErrInvalid.
func (s *Store) Session(ttl time.Duration) (*Session, error) {
	if err := s.Limits().Check(ttl); err != nil {
		return nil, err
	}
	if rest := s.Guarantee(ttl); rest < ttl/2 {
		return nil, fmt.Errorf("ttl %v: drift %g and margin %v leave a guarantee of %v, less than half of it: use a longer TTL: %w",
			ttl, s.cfg.Drift, s.margin(ttl), rest, ErrInvalid)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, ErrClosed
	}
	if x, ok := s.sessions[ttl]; ok {
		x.refs++
		return x, nil
	}
	ctx, cancel := context.WithCancel(s.ctx)
	x := &Session{
		store: s, ttl: ttl, refs: 1, cancel: cancel,
		grants: newSlots(s, maxSessionCalls), renewals: newSlots(s, maxSessionCalls), revocations: newSlots(s, maxSessionCalls),
		reads:   newSlots(s, maxSessionReads),
		ended:   make(chan struct{}),
		kick:    make(chan struct{}, 1),
		changed: make(chan struct{}),
	}
	s.sessions[ttl] = x
	s.root.watchOnce()
	s.loops.Go(func() {
		defer close(x.ended)
		x.run(ctx)
	})
	return x, nil
}

// margin is what is taken off a deadline beyond the drift.
func (s *Store) margin(ttl time.Duration) time.Duration {
	if s.cfg.Margin > 0 {
		return s.cfg.Margin
	}
	return min(max(ttl/50, 10*time.Millisecond), 100*time.Millisecond) + 5*time.Millisecond
}

// Guarantee is how long after a renewal was sent a session with this TTL surely lives (R1): what
// the TTL leaves after drift and margin.
func (s *Store) Guarantee(ttl time.Duration) time.Duration {
	return time.Duration(float64(ttl)*(1-s.cfg.Drift)) - s.margin(ttl)
}

// TTL is the session's time to live.
func (x *Session) TTL() time.Duration { return x.ttl }

// Guarantee is the longest time, at most, for which a Lease of this session can promise to live.
func (x *Session) Guarantee() time.Duration { return x.store.Guarantee(x.ttl) }

// Lease waits until there is a live lease. When ctx ends first, the error says why there is none.
func (x *Session) Lease(ctx context.Context) (*Lease, error) {
	for {
		x.mu.Lock()
		lease, err, changed := x.lease, x.err, x.changed
		x.mu.Unlock()
		switch {
		case lease != nil && lease.Valid():
			return lease, nil
		case permanent(err):
			return nil, err
		}
		select {
		case <-changed:
		case <-x.ended:
			return nil, ErrClosed
		case <-ctx.Done():
			if err == nil {
				err = ErrUnreachable
			}
			return nil, fmt.Errorf("no session yet: %w (%w)", err, ctx.Err())
		}
	}
}

// Close gives the session up. With the last Close it ends: the lease is lost at once, and revoked
// unless guarded work still holds it (see Lease.Hold). Close waits for that, but not for longer
// than two seconds. Before the last, Close only has what its user forgot deleted soon. A reference
// is closed once.
func (x *Session) Close() {
	x.store.mu.Lock()
	x.refs--
	last := x.refs == 0
	if last {
		delete(x.store.sessions, x.ttl)
	}
	x.store.mu.Unlock()
	if last {
		x.cancel()
		<-x.ended
		return
	}
	select {
	case x.kick <- struct{}{}: // a sweep follows a renewal
	default:
	}
}

func (x *Session) publish(lease *Lease, err error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.lease, x.err = lease, err
	close(x.changed)
	x.changed = make(chan struct{})
}

// run grants, keeps and replaces the lease until ctx ends.
func (x *Session) run(ctx context.Context) {
	s := x.store
	retry := backoff{first: x.ttl / 50, most: min(x.ttl/2, 5*time.Second), random: s.random}
	for ctx.Err() == nil {
		lease, err := x.grant(ctx)
		if err != nil {
			if ctx.Err() != nil {
				return
			}
			x.publish(nil, err)
			level := slog.LevelDebug
			if first := retry.next == 0; first { // once an outage
				level = slog.LevelWarn
			}
			s.log.Log(ctx, level, "no session yet: trying on", "ttl", x.ttl, "err", err)
			s.sleep(ctx, retry.wait())
			continue
		}
		retry.reset()
		s.meter.granted.Inc()
		s.log.Debug("session granted", "ttl", x.ttl, "session", lease.id)
		x.publish(lease, nil)
		lease.keep(ctx)
		if ctx.Err() != nil {
			x.finish(lease)
			return
		}
		s.meter.lost.Inc()
		s.log.Warn("session lost", "ttl", x.ttl, "session", lease.id, "err", lease.Err())
		x.publish(nil, lease.Err())
		s.loops.Go(func() { lease.revoke(s.ctx, true) })
	}
}

// grant asks for a new session in an era that it then checks. A grant that answers after it was
// given up is revoked.
func (x *Session) grant(ctx context.Context) (*Lease, error) {
	s := x.store
	if _, err := s.root.read(ctx, x.ttl); err != nil {
		return nil, err
	}
	type granted struct {
		id   SessionID
		sent time.Duration
	}
	g, err := call(ctx, s, x.grants, "grant", s.cfg.CallTimeout, func(ctx context.Context) (granted, error) {
		sent := s.now()
		id, err := s.driver.Grant(ctx, x.ttl)
		if err == nil && ctx.Err() != nil { // nobody waits for it any more
			_ = s.driver.Revoke(context.WithoutCancel(ctx), id) // if this fails, the TTL ends it
		}
		return granted{id, sent}, err
	})
	if err != nil {
		return nil, fmt.Errorf("grant a session: %w", err)
	}
	era, err := s.root.read(ctx, x.ttl)
	lease := newLease(x, g.id, era.Era, g.sent, s.root.confirmedAt(era.Era))
	if err == nil && !lease.Valid() {
		err = errors.New("the grant of a session took longer than its TTL")
	}
	if err != nil {
		lease.lose(err)
		s.loops.Go(func() { lease.revoke(s.ctx, true) })
		return nil, err
	}
	return lease, nil
}

// finish ends the last lease on Close: lower, then revoke, unless guarded work still runs, for then
// only its end, or the TTL after the end of this process, may let others in.
func (x *Session) finish(lease *Lease) {
	lease.lose(ErrClosed)
	x.publish(nil, ErrClosed)
	if x.store.ctx.Err() != nil || lease.held() {
		return
	}
	ctx, cancel := context.WithCancel(x.store.ctx)
	defer cancel()
	limit := x.store.clk.AfterFunc(2*time.Second, cancel)
	defer limit.Stop()
	lease.revoke(ctx, false)
}
