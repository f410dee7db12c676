package etcdstore

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"

	"github.com/muster-go/muster/store"
)

// renewalStream carries the renewals of all sessions: a stream costs more than a message on it, and
// with a password a second of a server's time a dozen streams.
type renewalStream struct {
	*pipe[pb.LeaseKeepAliveRequest, pb.LeaseKeepAliveResponse]

	mu      sync.Mutex
	waiting []*renewal // for answers, in the order of the requests, in which etcd gives them
	users   int        // renewals that wait
	retired bool       // an answer was late: others use another stream
}

// renewal is one that waits for its answer.
type renewal struct {
	lease  int64
	sent   time.Time
	answer chan int64 // capacity 1: the TTL in seconds
}

func (d *driver) openRenewalStream() (*renewalStream, error) {
	p, err := openPipe(d, d.lease.LeaseKeepAlive)
	if err != nil {
		return nil, err
	}
	s := &renewalStream{pipe: p}
	p.start(s.hear, func(error) {})
	return s, nil
}

// Renew implements store.Driver.
func (d *driver) Renew(ctx context.Context, id store.SessionID) error {
	if err := d.mayBegin(ctx, "renew"); err != nil {
		return err
	}
	lease, ok := leaseOf(id)
	if !ok {
		return fmt.Errorf("%s: renew %q: %w", d.name, id, store.ErrSessionGone)
	}
	for {
		s, fresh, err := d.renewals.get(ctx)
		if err != nil {
			return d.fault(ctx, "renew", false, err)
		}
		ttl, answered := s.renew(ctx, lease, d.cfg.Clock)
		switch {
		case answered && ttl <= 0:
			return fmt.Errorf("%s: renew %s: %w", d.name, id, store.ErrSessionGone)
		case answered:
			return nil
		case ctx.Err() != nil:
			return d.fault(ctx, "renew", true, ctx.Err())
		case fresh || d.ctx.Err() != nil:
			return d.fault(ctx, "renew", true, s.reason())
		}
		// The stream had ended before, perhaps long ago: renewing twice harms nobody.
	}
}

// renew sends one renewal and waits for its answer, ctx or the stream's end.
func (s *renewalStream) renew(ctx context.Context, lease int64, clk store.Clock) (ttl int64, answered bool) {
	r := &renewal{lease: lease, sent: clk.Now(), answer: make(chan int64, 1)}
	s.mu.Lock()
	s.users++
	s.waiting = append(s.waiting, r)
	s.send(&pb.LeaseKeepAliveRequest{ID: lease})
	s.mu.Unlock()
	defer s.leave()
	select {
	case ttl = <-r.answer:
		return ttl, true
	case <-s.done:
		select {
		case ttl = <-r.answer:
			return ttl, true
		default:
			return 0, false
		}
	case <-ctx.Done():
		s.retire()
		s.call.givenUpSince(r.sent)
		return 0, false
	}
}

// hear passes an answer to who waited longest for it. What stands between may change the order of
// answers; but whose an answer is decides who leads.
func (s *renewalStream) hear(a *pb.LeaseKeepAliveResponse) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, r := range s.waiting {
		if r.lease == a.ID {
			r.answer <- a.TTL
			s.waiting = slices.Delete(s.waiting, i, i+1)
			return
		}
	}
}

func (s *renewalStream) retire() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.retired = true
}

// leave ends a retired stream with its last user.
func (s *renewalStream) leave() {
	s.mu.Lock()
	s.users--
	last := s.retired && s.users == 0
	s.mu.Unlock()
	if last {
		s.end(errRetired)
	}
}

// over implements stream.
func (s *renewalStream) over() bool {
	s.mu.Lock()
	retired := s.retired
	s.mu.Unlock()
	return retired || s.pipe.over()
}
