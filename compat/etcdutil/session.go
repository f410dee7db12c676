package etcdutil

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"sync"

	etcd "go.etcd.io/etcd/client/v3"

	"github.com/muster-go/muster/store"
	"github.com/muster-go/muster/store/etcdstore"
)

// NoLease is what a SessionObserver hears in place of a lease id while there is no lease.
const NoLease = etcd.LeaseID(-1)

// defaultSessionTTL is in seconds.
const defaultSessionTTL = 30

// SessionObserver hears of each lease that a Session gets, and NoLease when it has none any more. The
// error is nil, unless no lease can ever be had as things are: the server refuses the client or the
// TTL. It comes with NoLease, and once; the Session goes on trying.
type SessionObserver func(etcd.LeaseID, error)

// SessionConfig says what a Session is about. Only Observer is required.
type SessionConfig struct {
	// TTL is after how many seconds without contact the lease ends. Default: 30. A shorter one than
	// etcd's shortest, 2 on a stock server, becomes that.
	TTL int64
	// Observer is called in order, one call at a time, from a goroutine of the Session's. It must not
	// call Close, which waits for it.
	Observer SessionObserver
	// Clock decides when the lease is over. Default: the boot-time clock, which counts suspends.
	Clock store.Clock
	// Logger gets what happens to leases. Default: slog.Default().
	Logger *slog.Logger
}

// Session keeps a lease alive, and gets another one when it's lost, until it is closed.
type Session struct {
	keeper *keeper
	tells  teller[leaseEvent]
	log    *slog.Logger

	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	resets chan chan struct{}
	ended  chan struct{}
	once   sync.Once
}

// leaseEvent is what a SessionObserver is called with.
type leaseEvent struct {
	id  etcd.LeaseID
	err error
}

// NewSession creates a lease and keeps it alive. It doesn't wait for it: the observer is called with
// the lease's id once it is granted; with NoLease when it is over, within the TTL from the last contact,
// whatever the connection does; and with the id of the next one once that is granted. The caller
// closes the Session, and the client after it.
func NewSession(c *etcd.Client, conf SessionConfig) (*Session, error) {
	if conf.Observer == nil {
		return nil, errors.New("etcdutil: SessionConfig has no Observer: give one, which hears the lease's id")
	}
	ttl, err := ttlOf("etcdutil: SessionConfig", conf.TTL, defaultSessionTTL)
	if err != nil {
		return nil, err
	}
	conf.Clock, conf.Logger = orBootClock(conf.Clock), orDefault(conf.Logger)
	driver, err := etcdstore.New(etcdstore.Config{Client: c, Clock: conf.Clock, Logger: conf.Logger})
	if err != nil {
		return nil, fmt.Errorf("etcdutil: %w", err)
	}
	k, err := openKeeper(driver, "", ttl, conf.Clock, conf.Logger)
	if err != nil {
		return nil, fmt.Errorf("etcdutil: %w", err)
	}
	s := &Session{
		keeper: k, log: conf.Logger,
		tells:  teller[leaseEvent]{clk: conf.Clock, observer: func(e leaseEvent) { conf.Observer(e.id, e.err) }},
		resets: make(chan chan struct{}),
		ended:  make(chan struct{}),
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	go s.run()
	return s, nil
}

// Reset ends the present lease, and every key that it owns, and gets a new one: the observer hears
// NoLease and then the new id. It waits until the old one is revoked, but for two seconds at most. A
// Session without a lease is getting one anyway. After Close it does nothing.
func (s *Session) Reset() {
	done := make(chan struct{})
	select {
	case s.resets <- done:
		<-done
	case <-s.ended:
	}
}

// Close revokes the lease, for two seconds at most, and ends the Session: the last that the observer
// hears is NoLease, and Close returns after that. (An observer that doesn't return is not waited for
// longer than two seconds; it isn't called again.) Closing twice is harmless.
func (s *Session) Close() {
	s.once.Do(func() {
		s.cancel()
		<-s.ended
	})
}

func (s *Session) run() {
	defer close(s.ended)
	var last leaseEvent // what the observer heard last
	tell := func(e leaseEvent) {
		s.tells.tell(e)
		last = e
	}
	for s.ctx.Err() == nil {
		lease, reset, err := s.wait()
		switch {
		case reset != nil:
			close(reset) // there is none to give up
		case lease != nil:
			tell(leaseEvent{id: leaseID(lease.ID())})
			s.hold(lease, tell)
		case s.ctx.Err() == nil:
			if last.err == nil {
				tell(leaseEvent{NoLease, fmt.Errorf("etcdutil: no lease: %w", err)})
			}
			s.keeper.pause(s.ctx)
		}
	}
	if last.id != NoLease {
		s.tells.tell(leaseEvent{id: NoLease})
	}
	if err := s.keeper.close(); err != nil {
		s.log.Warn("etcdutil: closing a session", "err", err)
	}
	if !s.tells.end() {
		s.log.Warn("etcdutil: the observer of a session doesn't return: it is left behind")
	}
}

// wait waits for a lease, or for a Reset, or for the end.
func (s *Session) wait() (lease *store.Lease, reset chan struct{}, err error) {
	ctx, cancel := context.WithCancel(s.ctx)
	defer cancel()
	got := make(chan struct{})
	go func() {
		defer close(got)
		lease, err = s.keeper.lease(ctx)
	}()
	select {
	case <-got:
		return lease, nil, err
	case reset = <-s.resets:
		cancel()
		<-got
		return nil, reset, nil
	}
}

// hold waits until the lease is over.
func (s *Session) hold(lease *store.Lease, tell func(leaseEvent)) {
	select {
	case <-lease.Lost():
		tell(leaseEvent{id: NoLease})
	case done := <-s.resets:
		defer close(done)
		tell(leaseEvent{id: NoLease})
		if err := s.keeper.renounce(); err != nil {
			s.log.Error("etcdutil: a session can't be reset", "err", err)
		}
	case <-s.ctx.Done():
	}
}

// leaseID is a session's name as etcd's client has it; NoLease if it isn't etcd's.
func leaseID(id store.SessionID) etcd.LeaseID {
	n, err := strconv.ParseUint(string(id), 16, 64)
	if err != nil {
		return NoLease
	}
	return etcd.LeaseID(n)
}
