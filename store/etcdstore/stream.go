package etcdstore

import (
	"sync"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
)

// How many changes, and how many bytes of them, may wait for a slow receiver before its watch reads
// anew instead.
const (
	mostQueued      = 10_000
	mostQueuedBytes = 32 << 20
)

// cancelAfter is how long the end of a watch is kept to itself: a watch often ends because of a
// hand-over, and what that asks for is to go first.
const cancelAfter = 20 * time.Millisecond

// watchStream carries all watches of a driver.
type watchStream struct {
	*pipe[pb.WatchRequest, pb.WatchResponse]

	mu       sync.Mutex
	closed   error // why the stream ended
	latest   int64
	subs     map[int64]*subscription // by their id, which the client chooses
	creating []int64                 // in the order in which they were asked for, which is that of the answers
	heard    time.Time
	unwanted []int64 // watches that ended here, and not yet at the server
	retired  bool    // it takes no new watches
}

// subscription is one watch on a stream. It never blocks the others.
type subscription struct {
	stream *watchStream
	id     int64
	ready  chan struct{} // capacity 1: there is something to take

	mu    sync.Mutex
	queue []*mvccpb.Event
	bytes int   // in the queue
	err   error // why nothing more will come
}

func (d *driver) openWatchStream() (*watchStream, error) {
	p, err := openPipe(d, d.watch.Watch)
	if err != nil {
		return nil, err
	}
	s := &watchStream{pipe: p, subs: map[int64]*subscription{}}
	d.mu.Lock()
	d.streams[s] = true
	d.mu.Unlock()
	p.start(s.hear, s.finish)
	return s, nil
}

// subscribe asks for the changes of a range from a revision on.
func (s *watchStream) subscribe(r keyRange, from uint64) *subscription {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.latest++
	sub := &subscription{stream: s, id: s.latest, ready: make(chan struct{}, 1)}
	if s.closed != nil {
		sub.finish(s.closed)
		return sub
	}
	s.subs[sub.id] = sub
	s.creating = append(s.creating, sub.id)
	s.send(&pb.WatchRequest{RequestUnion: &pb.WatchRequest_CreateRequest{CreateRequest: &pb.WatchCreateRequest{
		WatchId: sub.id, Key: r.key, RangeEnd: r.end, StartRevision: int64(from), ProgressNotify: true,
	}}})
	return sub
}

// unsubscribe ends a subscription. Ending one that has ended is harmless.
func (s *watchStream) unsubscribe(sub *subscription) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.subs[sub.id] == nil {
		return
	}
	delete(s.subs, sub.id)
	s.unwanted = append(s.unwanted, sub.id)
	if len(s.unwanted) == 1 {
		s.d.cfg.Clock.AfterFunc(cancelAfter, s.cancelUnwanted)
	}
	s.mayEnd()
}

// cancelUnwanted tells the server which watches nobody needs any more.
func (s *watchStream) cancelUnwanted() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range s.unwanted {
		s.sendCancel(id)
	}
	s.unwanted = nil
}

func (s *watchStream) sendCancel(id int64) {
	s.send(&pb.WatchRequest{RequestUnion: &pb.WatchRequest_CancelRequest{CancelRequest: &pb.WatchCancelRequest{WatchId: id}}})
}

// hear takes what the server sends.
func (s *watchStream) hear(resp *pb.WatchResponse) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.heard = s.d.cfg.Clock.Now()
	id := resp.WatchId
	if resp.Created && len(s.creating) > 0 { // a refusal doesn't say whose it is
		id, s.creating = s.creating[0], s.creating[1:]
	}
	sub := s.subs[id]
	if sub == nil {
		return
	}
	var err error
	switch {
	case resp.CompactRevision != 0:
		err = rpctypes.ErrCompacted
	case resp.Canceled:
		err = cancelled(resp.CancelReason)
		if s.d.cfg.Client.Username != "" && is(rpctypes.Error(err), rpctypes.ErrInvalidAuthToken, rpctypes.ErrAuthOldRevision, rpctypes.ErrUserEmpty) {
			// Nobody used the stream's token for minutes, and etcd forgot it. The watches that the
			// stream has are served on.
			s.retired, err = true, errToken
		}
	case !sub.add(resp.Events):
		err = errBehind
		s.sendCancel(id)
	}
	if err != nil {
		delete(s.subs, id)
		sub.finish(err)
		s.mayEnd()
	}
}

// mayEnd ends a retired stream with its last watch. The lock is held.
func (s *watchStream) mayEnd() {
	if s.retired && len(s.subs) == 0 {
		s.end(errRetired)
	}
}

// over implements stream.
func (s *watchStream) over() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.retired || s.pipe.over()
}

// finish ends all subscriptions.
func (s *watchStream) finish(err error) {
	s.d.mu.Lock()
	delete(s.d.streams, s)
	s.d.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = err
	for id, sub := range s.subs {
		delete(s.subs, id)
		sub.finish(err)
	}
}

// lastHeard is when the stream's server last said anything; zero: never.
func (s *watchStream) lastHeard() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.heard
}

// add queues changes; false if there are too many.
func (sub *subscription) add(events []*mvccpb.Event) bool {
	size := 0
	for _, e := range events {
		size += len(e.Kv.Key) + len(e.Kv.Value)
	}
	sub.mu.Lock()
	defer sub.mu.Unlock()
	if len(sub.queue) > 0 && (len(sub.queue)+len(events) > mostQueued || sub.bytes+size > mostQueuedBytes) {
		sub.queue = nil
		return false
	}
	sub.queue = append(sub.queue, events...)
	sub.bytes += size
	if len(events) > 0 {
		sub.nudge()
	}
	return true
}

// finish says that nothing more will come; what is queued is told before.
func (sub *subscription) finish(err error) {
	sub.mu.Lock()
	defer sub.mu.Unlock()
	sub.err = err
	sub.nudge()
}

func (sub *subscription) nudge() {
	select {
	case sub.ready <- struct{}{}:
	default:
	}
}

// take gives what is queued, and why nothing more will come, if so.
func (sub *subscription) take() ([]*mvccpb.Event, error) {
	sub.mu.Lock()
	defer sub.mu.Unlock()
	queue := sub.queue
	sub.queue, sub.bytes = nil, 0
	return queue, sub.err
}

// readAgain says that a watch ended for a reason that is no outage: it goes on with a fresh read.
func readAgain(err error) bool {
	return is(err, rpctypes.ErrCompacted, errBehind, errWentBack, errToken)
}
