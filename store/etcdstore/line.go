package etcdstore

import (
	"context"
	"sync"

	"github.com/muster-go/muster/store"
)

// line holds the one stream that everybody shares, and opens it when somebody asks for it.
type line[S stream] struct {
	spawn func(func()) bool
	open  func() (S, error) // may take until the driver is closed

	mu  sync.Mutex
	cur S // in use if up
	up  bool
	try *try[S] // under way
}

// stream is what a line holds.
type stream interface {
	comparable
	over() bool // of no use any more
}

// try is one opening.
type try[S any] struct {
	done chan struct{} // closed when the rest is set
	got  S
	err  error
}

// get gives the stream; fresh says that it was opened for this.
func (l *line[S]) get(ctx context.Context) (s S, fresh bool, err error) {
	var none S
	l.mu.Lock()
	if l.up && !l.cur.over() {
		defer l.mu.Unlock()
		return l.cur, false, nil
	}
	t := l.try
	if t == nil {
		t = &try[S]{done: make(chan struct{})}
		if !l.spawn(func() { l.run(t) }) {
			l.mu.Unlock()
			return none, false, store.ErrClosed
		}
		l.try = t
	}
	l.mu.Unlock()
	select {
	case <-t.done:
		return t.got, true, t.err
	case <-ctx.Done():
		return none, false, context.Cause(ctx)
	}
}

func (l *line[S]) run(t *try[S]) {
	t.got, t.err = l.open()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.try, l.cur, l.up = nil, t.got, t.err == nil
	close(t.done)
}
