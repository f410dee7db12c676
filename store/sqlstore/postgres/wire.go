package postgres

import (
	"context"
	"database/sql/driver"
	"errors"
	"net"
	"sync"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

// wire keeps the network connections of one driver in its books, to end them all with it: the client
// would wait for servers that don't answer.
type wire struct {
	cfg  *pgx.ConnConfig // whose connections these are
	dial func(ctx context.Context, network, addr string) (net.Conn, error)

	// What a connection that was asked showed: its server process isn't the one that the handshake named.
	known, pooled atomic.Bool

	mu     sync.Mutex
	closed bool
	conns  map[*conn]bool
}

func newWire(cfg *pgx.ConnConfig) *wire {
	w := &wire{cfg: cfg.Copy(), dial: cfg.DialFunc, conns: map[*conn]bool{}}
	w.cfg.DialFunc = w.open
	return w
}

// wanted marks the contexts of connections that were asked for. The client opens others to cancel what
// was given up.
type wanted struct{}

var errNoCancel = errors.New("nothing is cancelled through a pooler")

// connect opens a connection.
func (w *wire) connect(ctx context.Context) (*pgx.Conn, error) {
	return pgx.ConnectConfig(context.WithValue(ctx, wanted{}, true), w.cfg.Copy())
}

func (w *wire) open(ctx context.Context, network, addr string) (net.Conn, error) {
	// PgBouncer 1.18 may crash when it is asked to cancel something.
	if ctx.Value(wanted{}) == nil && w.pooled.Load() {
		return nil, errNoCancel
	}
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

// look finds out, once, whether a pooler stands before the server.
func (w *wire) look(ctx context.Context, c *pgx.Conn) error {
	if w.known.Load() {
		return nil
	}
	var process uint32
	if err := c.QueryRow(ctx, `SELECT pg_backend_pid()`).Scan(&process); err != nil {
		return err
	}
	w.pooled.Store(process != c.PgConn().PID())
	w.known.Store(true)
	return nil
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

// connector opens a wire's connections for database/sql.
type connector struct{ driver.Connector }

func (w *wire) connector() connector {
	return connector{stdlib.GetConnector(*w.cfg, stdlib.OptionAfterConnect(w.look))}
}

// Connect implements driver.Connector.
func (c connector) Connect(ctx context.Context) (driver.Conn, error) {
	return c.Connector.Connect(context.WithValue(ctx, wanted{}, true))
}
