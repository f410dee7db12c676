package zkstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/go-zookeeper/zk"

	"github.com/muster-go/muster/store"
)

// A follower tells its leader at every half tick which sessions it heard of; what it heard last dies
// with it. So ZooKeeper's timeout is longer than the TTL, by a part of it (slackPart)
// and a tick; and a renewal counts only if one that was answered at least a tick before the latest
// was sent, or the session's beginning, is no further back than that.
const slackPart = 0.25

// session is one that this driver was granted: a client of its own.
type session struct {
	*client
	d      *driver
	id     store.SessionID
	ttl    time.Duration
	marker string

	mu    sync.Mutex
	sure  time.Duration // before the latest request was sent of which ZooKeeper's leader surely knows
	acked []ack         // of which it may not know yet, in the order of their answers
	keys  map[string]*attempt
}

// ack is a renewal's request that was answered.
type ack struct{ sent, answered time.Duration }

// timeout is how long ZooKeeper is to keep a session of this TTL.
func (d *driver) timeout(ttl time.Duration) time.Duration {
	rounded := (ttl + time.Millisecond - 1).Truncate(time.Millisecond)
	return (rounded + d.slack(rounded) + time.Millisecond - 1).Truncate(time.Millisecond)
}

func (d *driver) slack(ttl time.Duration) time.Duration {
	return time.Duration(float64(ttl)*slackPart) + d.tick
}

func idOf(owner int64) store.SessionID {
	if owner == 0 {
		return ""
	}
	return store.SessionID(strconv.FormatUint(uint64(owner), 16))
}

// named tells whether a session of ZooKeeper's can have this name.
func named(id store.SessionID) bool {
	n, err := strconv.ParseUint(string(id), 16, 64)
	return err == nil && n != 0 && idOf(int64(n)) == id
}

// Grant implements store.Driver.
func (d *driver) Grant(ctx context.Context, ttl time.Duration) (store.SessionID, error) {
	const what = "grant a session"
	if err := d.limits.Check(ttl); err != nil {
		return "", d.say(what, err)
	}
	if err := d.mayBegin(ctx, what); err != nil {
		return "", err
	}
	if _, err := d.linked(ctx, what); err != nil { // which makes the nodes, if a wiped store lacks them
		return "", err
	}
	want := d.timeout(ttl)
	c, err := d.newClient(want, true, nil)
	if err != nil {
		return "", d.say(what, err)
	}
	s, err := d.begin(ctx, c, ttl, want)
	if err != nil {
		c.finish(errors.New("its grant failed"), true)
		return "", err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		c.finish(store.ErrClosed, true)
		return "", store.ErrClosed
	}
	d.sessions[s.id] = s
	d.loops.Go(s.attend)
	return s.id, nil
}

// begin makes a session of a new client.
func (d *driver) begin(ctx context.Context, c *client, ttl, want time.Duration) (*session, error) {
	if err := d.enter(ctx, c); err != nil {
		return nil, err
	}
	w, err := c.await(ctx)
	if err != nil {
		return nil, d.say("grant a session", err)
	}
	if w.timeout < want {
		return nil, d.say("grant a session", fmt.Errorf("%s %w: %w", c.zk.Server(), shortened(w.timeout), store.ErrInvalid))
	}
	s := &session{
		client: c, d: d, id: idOf(w.session), ttl: ttl, marker: d.markerOf(idOf(w.session)),
		sure: w.asked.Sub(d.base), keys: map[string]*attempt{},
	}
	_, err = ask(ctx, c, "grant a session", func(z *zk.Conn) (string, error) {
		return z.Create(s.marker, nil, zk.FlagEphemeral, d.cfg.acl())
	})
	return s, err
}

// attend forgets a session of which nobody has asked anything since it ended.
func (s *session) attend() {
	for {
		s.mu.Lock()
		used := s.sure
		if len(s.acked) > 0 {
			used = s.acked[len(s.acked)-1].sent
		}
		s.mu.Unlock()
		rest := used + s.d.limits.WorstFailover(s.ttl) - s.d.since()
		if rest <= 0 && s.idle() {
			s.finish(fmt.Errorf("nobody renewed it: %w", store.ErrSessionGone), false)
		}
		if s.why() != nil {
			break
		}
		s.d.wait(s.ctx, max(rest, s.ttl))
	}
	s.d.mu.Lock()
	defer s.d.mu.Unlock()
	delete(s.d.sessions, s.id)
}

// idle tells that there is no connection and nobody wants one.
func (s *session) idle() bool {
	s.client.mu.Lock()
	defer s.client.mu.Unlock()
	return !s.up && s.wanted == 0
}

// session gives one that this driver was granted and that may be alive; nil: there is none.
func (d *driver) session(id store.SessionID) *session {
	d.mu.Lock()
	defer d.mu.Unlock()
	if s := d.sessions[id]; s != nil && s.why() == nil {
		return s
	}
	return nil
}

// errForeign is of a session that ZooKeeper has, and this driver doesn't.
var errForeign = fmt.Errorf("only who was granted a session can renew it, and create records that it owns (%w)", store.ErrInvalid)

// absent finds out why a session isn't among the driver's: an error in each case.
func (d *driver) absent(ctx context.Context, what string, id store.SessionID) error {
	there, err := d.marked(ctx, what, id)
	switch {
	case err != nil:
		return err
	case there:
		return d.say(what, fmt.Errorf("session %s: %w", id, errForeign))
	}
	return d.say(what, fmt.Errorf("session %s: %w", id, store.ErrSessionGone))
}

// marked tells whether a session has its marker; without it there is no session.
func (d *driver) marked(ctx context.Context, what string, id store.SessionID) (bool, error) {
	if !named(id) {
		return false, nil
	}
	l, err := d.linked(ctx, what)
	if err != nil {
		return false, err
	}
	if _, err := d.present(ctx, l); err != nil {
		return false, err
	}
	return ask(ctx, l.client, what, func(z *zk.Conn) (bool, error) {
		there, _, err := z.Exists(d.markerOf(id))
		return there, err
	})
}

// Renew implements store.Driver.
func (d *driver) Renew(ctx context.Context, id store.SessionID) error {
	const what = "renew a session"
	if err := d.mayBegin(ctx, what); err != nil {
		return err
	}
	s := d.session(id)
	if s == nil {
		return d.absent(ctx, what, id)
	}
	begun := d.since()
	if !s.connected() {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		d.spawn(func() { s.seek(ctx) })
	}
	for {
		sent := d.since()
		if err := s.touch(ctx, what); err != nil {
			return err
		}
		early := s.counts(begun, sent)
		if early <= 0 {
			return nil
		}
		d.wait(ctx, early)
	}
}

// touch renews by a write: only ZooKeeper's leader, with a majority behind it, can answer that.
func (s *session) touch(ctx context.Context, what string) error {
	_, err := ask(ctx, s.client, what, func(z *zk.Conn) (*zk.Stat, error) { return z.Set(s.marker, nil, -1) })
	if errors.Is(err, zk.ErrNoNode) {
		return s.end(what)
	}
	return err
}

// end notes that the session has no marker any more.
func (s *session) end(what string) error {
	err := fmt.Errorf("session %s has no marker any more: %w", s.id, store.ErrSessionGone)
	s.finish(err, true)
	return s.d.say(what, err)
}

// let is before the latest connection was asked for: that goes through ZooKeeper's leader.
func (s *session) let() time.Duration {
	s.client.mu.Lock()
	defer s.client.mu.Unlock()
	if !s.up {
		return 0
	}
	return s.wire.asked.Sub(s.d.base)
}

func (s *session) connected() bool {
	s.client.mu.Lock()
	defer s.client.mu.Unlock()
	return s.up
}

// seek finds out whether the session is gone while it has no connection: to a store that was wiped or
// restored it may never have one again.
func (s *session) seek(ctx context.Context) {
	if there, err := s.d.marked(ctx, "see a session", s.id); err == nil && !there {
		_ = s.end("see a session")
	}
}

// counts takes in that a write that was sent then was answered. It tells in how much time another one
// must be answered for a renewal that began at begun to count: 0 if it counts now.
func (s *session) counts(begun, sent time.Duration) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.d.since()
	s.acked = append(s.acked, ack{sent, now})
	s.sure = max(s.sure, s.let())
	for len(s.acked) > 0 && s.acked[0].answered <= sent-s.d.tick {
		s.sure = max(s.sure, s.acked[0].sent)
		s.acked = slices.Delete(s.acked, 0, 1)
	}
	if s.sure >= begun-s.d.slack(s.ttl) {
		return 0
	}
	return max(s.acked[0].answered+s.d.tick-now, time.Millisecond)
}
