package etcdstore

import (
	"context"
	"sync"

	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc"
)

// pipe is a stream of messages both ways, on which to send never blocks.
type pipe[Q, A any] struct {
	d      *driver
	call   *call
	stream grpc.BidiStreamingClient[Q, A]
	cancel context.CancelFunc
	wake   chan struct{} // capacity 1: there is something to send
	done   chan struct{} // closed when the pipe has ended; err is then set

	mu    sync.Mutex
	queue []*Q
	ended bool
	err   error
}

// openPipe opens a stream. It may block for as long as the client tries to connect.
func openPipe[Q, A any](d *driver, open func(context.Context, ...grpc.CallOption) (grpc.BidiStreamingClient[Q, A], error)) (*pipe[Q, A], error) {
	p := &pipe[Q, A]{d: d, call: d.wire.newCall(), wake: make(chan struct{}, 1), done: make(chan struct{})}
	var ctx context.Context
	ctx, p.cancel = context.WithCancel(p.call.mark(clientv3.WithRequireLeader(d.ctx)))
	// With a password a token is asked for first, on a connection that may be dead.
	timer := d.cfg.Clock.AfterFunc(2*silence, p.call.givenUp)
	defer timer.Stop()
	var err error
	if p.stream, err = open(ctx, anySize); err != nil {
		p.cancel()
		return nil, err
	}
	return p, nil
}

// start begins to pass messages. hear is called with one message at a time; over, once, when the
// pipe has ended.
func (p *pipe[Q, A]) start(hear func(*A), over func(error)) {
	talk := func() {
		for {
			select {
			case <-p.wake:
			case <-p.done:
				return
			}
			for _, q := range p.take() {
				if p.stream.Send(q) != nil {
					break // Recv says why
				}
			}
		}
	}
	listen := func() {
		for {
			a, err := p.stream.Recv()
			if err != nil {
				p.end(err)
				over(p.reason())
				return
			}
			hear(a)
		}
	}
	if !p.d.spawn(talk) || !p.d.spawn(listen) {
		p.end(context.Canceled)
		over(p.reason())
	}
}

func (p *pipe[Q, A]) take() []*Q {
	p.mu.Lock()
	defer p.mu.Unlock()
	queue := p.queue
	p.queue = nil
	return queue
}

// send puts a message into the queue; one that comes too late is dropped.
func (p *pipe[Q, A]) send(q *Q) {
	p.mu.Lock()
	p.queue = append(p.queue, q)
	p.mu.Unlock()
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// end ends the pipe, for this reason if it is the first.
func (p *pipe[Q, A]) end(err error) {
	p.mu.Lock()
	if !p.ended {
		p.ended, p.err = true, err
		close(p.done)
	}
	p.mu.Unlock()
	p.cancel()
}

// reason is why the pipe ended.
func (p *pipe[Q, A]) reason() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err
}

// over implements stream.
func (p *pipe[Q, A]) over() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ended
}
