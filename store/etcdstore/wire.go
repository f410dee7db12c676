package etcdstore

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/stats"

	"github.com/muster-go/muster/store"
)

// silence is for how long nothing must have been heard on a connection before a request that is
// given up takes the connection along.
const silence = 500 * time.Millisecond

// wire sees what Open's own client sends and hears. It knows which requests surely never left, and
// it breaks a connection that is open and dead: gRPC itself takes 10 s and more to notice one.
// A nil wire sees nothing.
type wire struct {
	clk      store.Clock
	messages atomic.Int64 // that left

	mu    sync.Mutex
	links map[string]*link // by what linkName says
}

func newWire(clk store.Clock) *wire { return &wire{clk: clk, links: map[string]*link{}} }

// link is a connection that remembers when it last heard anything.
type link struct {
	net.Conn
	wire *wire

	mu    sync.Mutex
	heard time.Time
	dead  bool // the wire broke it
}

// errDead is the reason of whatever fails with a connection that the wire broke.
var errDead = errors.New("the server went silent, so the connection was given up")

func linkName(local, remote net.Addr) string { return local.String() + "→" + remote.String() }

// dial opens the connections of the client.
func (w *wire) dial(ctx context.Context, address string) (net.Conn, error) {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	l := &link{Conn: conn, wire: w}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.links[linkName(conn.LocalAddr(), conn.RemoteAddr())] = l
	return l, nil
}

// Read implements net.Conn.
func (l *link) Read(p []byte) (int, error) {
	n, err := l.Conn.Read(p)
	l.mu.Lock()
	defer l.mu.Unlock()
	if n > 0 {
		l.heard = l.wire.clk.Now()
	}
	if err != nil && l.dead {
		err = errDead
	}
	return n, err
}

// Close implements net.Conn.
func (l *link) Close() error {
	l.wire.mu.Lock()
	if name := linkName(l.LocalAddr(), l.RemoteAddr()); l.wire.links[name] == l {
		delete(l.wire.links, name)
	}
	l.wire.mu.Unlock()
	return l.Conn.Close()
}

// silentSince says that nothing was heard after t.
func (l *link) silentSince(t time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !l.heard.After(t)
}

// call is a request, or a stream, on its way out.
type call struct {
	wire *wire // nil: nobody looks

	mu   sync.Mutex
	link *link     // that it went out on, the latest if it was repeated
	sent time.Time // zero: it has not gone out
}

func (w *wire) newCall() *call { return &call{wire: w} }

type callKey struct{}

// mark gives the context for the request, by which the wire knows it.
func (c *call) mark(ctx context.Context) context.Context { return context.WithValue(ctx, callKey{}, c) }

// maybeSent says that the request may have left.
func (c *call) maybeSent() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.wire == nil || !c.sent.IsZero()
}

// givenUp is told that nobody waits for the request's answer any more. If nothing at all was heard
// on its connection since it left, and for long enough, the connection is dead.
func (c *call) givenUp() { c.givenUpSince(time.Time{}) }

// givenUpSince is givenUp for a message on a stream, which left when the stream was long open.
func (c *call) givenUpSince(sent time.Time) {
	if c.wire == nil {
		return
	}
	c.mu.Lock()
	l := c.link
	if sent.IsZero() {
		sent = c.sent
	}
	c.mu.Unlock()
	if l != nil && c.wire.clk.Now().Sub(sent) >= silence && l.silentSince(sent) {
		l.mu.Lock()
		l.dead = true
		l.mu.Unlock()
		_ = l.Close()
	}
}

// TagRPC implements stats.Handler.
func (w *wire) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context { return ctx }

// HandleRPC implements stats.Handler.
func (w *wire) HandleRPC(ctx context.Context, event stats.RPCStats) {
	switch event := event.(type) {
	case *stats.OutHeader: // the first that leaves, before which nothing has
		if c, ok := ctx.Value(callKey{}).(*call); ok {
			w.mu.Lock()
			l := w.links[linkName(event.LocalAddr, event.RemoteAddr)]
			w.mu.Unlock()
			c.mu.Lock()
			c.link, c.sent = l, w.clk.Now()
			c.mu.Unlock()
		}
	case *stats.OutPayload:
		w.messages.Add(1)
	}
}

// TagConn implements stats.Handler.
func (w *wire) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }

// HandleConn implements stats.Handler.
func (w *wire) HandleConn(context.Context, stats.ConnStats) {}
