package postgres

import (
	"context"
	"net"
	"sync"

	"github.com/jackc/pgx/v5"
)

// wire keeps the network connections of one driver in its books, to end them all with it: the client
// would wait for servers that don't answer.
type wire struct {
	dial func(ctx context.Context, network, addr string) (net.Conn, error)

	mu     sync.Mutex
	closed bool
	conns  map[*conn]bool
}

// newWire makes the client's connections go through a wire.
func newWire(cfg *pgx.ConnConfig) *wire {
	w := &wire{dial: cfg.DialFunc, conns: map[*conn]bool{}}
	cfg.DialFunc = w.open
	return w
}

func (w *wire) open(ctx context.Context, network, addr string) (net.Conn, error) {
	w.mu.Lock()
	closed := w.closed
	w.mu.Unlock()
	if closed {
		return nil, net.ErrClosed
	}
	inner, err := w.dial(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	c := &conn{Conn: inner, w: w}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		_ = inner.Close()
		return nil, net.ErrClosed
	}
	w.conns[c] = true
	return c, nil
}

// close ends all connections, and refuses new ones.
func (w *wire) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	for c := range w.conns {
		_ = c.Conn.Close()
	}
	clear(w.conns)
}

// conn is a connection in the books.
type conn struct {
	net.Conn
	w *wire
}

// Close implements net.Conn.
func (c *conn) Close() error {
	c.w.mu.Lock()
	delete(c.w.conns, c)
	c.w.mu.Unlock()
	return c.Conn.Close()
}
