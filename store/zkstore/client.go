package zkstore

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	"github.com/go-zookeeper/zk"

	"github.com/muster-go/muster/store"
)

const (
	// shakeLimit is how long a server may take to let a client in.
	shakeLimit = 2 * time.Second
	// silence is how long a server must have said nothing for a request that is given up to count
	// against its connection.
	silence = 500 * time.Millisecond
	// sendBuffer is room for the largest request.
	sendBuffer = maxValue + 128<<10
)

// errLost is why a client of one connection is over.
var errLost = errors.New("the connection was lost")

// client is a session of ZooKeeper's, and never another one: the library would begin a new one in the
// place of one that ended, and what was written in its name would have an owner that nobody knows. It
// decides when the library may connect.
type client struct {
	d       *driver
	session bool             // a store's session; else for reads and watches, over with its connection
	timeout time.Duration    // that was asked for
	limit   time.Duration    // of a connection's beginning
	onNode  func(e zk.Event) // called by the library's loop: must not block; nil: nobody cares

	ctx    context.Context // ends when it is over
	cancel context.CancelFunc
	zk     *zk.Conn
	made   chan struct{} // closed once zk is there
	free   func() bool   // of what ends it with the driver

	mu      sync.Mutex
	wire    *wire
	up      bool
	ever    bool // it was up
	wanted  int  // requests that wait for a connection
	fails   int  // since it was up
	over    error
	lastErr error         // of the latest try to connect
	changed chan struct{} // closed and replaced at each change
	next    int           // in the list of servers
}

// newClient begins to connect.
func (d *driver) newClient(timeout time.Duration, session bool, onNode func(zk.Event)) (*client, error) {
	c := &client{
		d: d, session: session, timeout: timeout, limit: shakeLimit, onNode: onNode,
		made: make(chan struct{}), changed: make(chan struct{}),
		next: rand.IntN(1 << 16),
	}
	most := 0 // of what is heard at once
	if session {
		c.limit, most = min(shakeLimit, timeout/3), 64<<10
	}
	c.ctx, c.cancel = context.WithCancel(d.ctx)
	c.mu.Lock() // the driver may be closed already
	c.free = context.AfterFunc(d.ctx, func() { c.finish(store.ErrClosed, false) })
	c.mu.Unlock()
	var err error
	c.zk, _, err = zk.Connect([]string{"unused"}, timeout, zk.WithDialer(c.dial), zk.WithHostProvider(c),
		zk.WithEventCallback(c.event), zk.WithLogger(quiet{}), zk.WithLogInfo(false),
		zk.WithMaxConnBufferSize(sendBuffer), zk.WithMaxBufferSize(most))
	if err != nil {
		c.free()
		c.cancel()
		return nil, err
	}
	close(c.made)
	return c, nil
}

// quiet swallows what the library says: the driver's errors say it.
type quiet struct{}

func (quiet) Printf(string, ...any) {}

// Init, Len, Next and Connected make a client its own zk.HostProvider.

// Init implements zk.HostProvider.
func (c *client) Init([]string) error { return nil }

// Len implements zk.HostProvider.
func (c *client) Len() int { return len(c.d.servers.list()) }

// Next implements zk.HostProvider: the servers in turn, from a random one on. True makes the library
// wait for its end.
func (c *client) Next() (server string, wait bool) {
	list := c.d.servers.list()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.next++
	return list[c.next%len(list)], c.over != nil || c.ctx.Err() != nil
}

// Connected implements zk.HostProvider.
func (c *client) Connected() {}

// dial is the library's way to a server.
func (c *client) dial(network, addr string, _ time.Duration) (net.Conn, error) {
	if err := c.mayDial(); err != nil {
		return nil, err
	}
	clk := c.d.cfg.clock
	ctx, cancel := context.WithCancel(c.ctx)
	defer cancel()
	defer clk.AfterFunc(c.limit, cancel).Stop()
	w := &wire{d: c.d, asked: clk.Now(), silent: c.session}
	w.heard.Store(int64(c.d.since()))
	conn, err := (&net.Dialer{}).DialContext(ctx, network, addr)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		c.fails++
		c.lastErr = fmt.Errorf("%s: %w", addr, err)
		return nil, err
	}
	w.Conn = conn
	if c.over != nil {
		_ = w.Close()
		return nil, c.over
	}
	c.lastErr = fmt.Errorf("%s: it lets nobody in", addr)
	c.wire = w
	clk.AfterFunc(c.limit, func() {
		if !w.shaken.Load() {
			_ = w.Close()
		}
	})
	return w, nil
}

// mayDial waits until a connection is wanted; an error says that none is, ever.
func (c *client) mayDial() error {
	for {
		c.mu.Lock()
		over, wanted, fails, changed := c.over, !c.ever || c.session && c.wanted > 0, c.fails, c.changed
		c.mu.Unlock()
		switch {
		case over != nil:
			return over
		case wanted:
			if fails >= c.Len() {
				wait := backoff{next: backoffFirst << min(fails/c.Len()-1, 4)}
				wait.sleep(c.ctx, c.d)
			}
			return c.ctx.Err()
		}
		select {
		case <-changed:
		case <-c.ctx.Done():
			return c.ctx.Err()
		}
	}
}

// event is told by the library's loop, before it does anything else.
func (c *client) event(e zk.Event) {
	if e.Type != zk.EventSession {
		if e.Type > 0 && c.onNode != nil {
			c.onNode(e)
		}
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch e.State {
	case zk.StateHasSession:
		if c.session && c.ever && c.wire.timeout < c.timeout { // its server has shortened it: who counts on it must hear at once
			c.finishLocked(fmt.Errorf("%s %w: %w", e.Server, shortened(c.wire.timeout), store.ErrSessionGone), false)
			break
		}
		c.up, c.ever, c.fails, c.lastErr = true, true, 0, nil
	case zk.StateDisconnected:
		if !c.up {
			c.fails++
		}
		if c.up && !c.session {
			c.finishLocked(errLost, false)
		}
		c.up = false
	case zk.StateExpired:
		c.finishLocked(fmt.Errorf("ZooKeeper ended it: %w", store.ErrSessionGone), false)
	default:
		return
	}
	c.announce()
}

func (c *client) announce() {
	close(c.changed)
	c.changed = make(chan struct{})
}

// finish ends the client; gently: the session is closed too, if its connection stands.
func (c *client) finish(why error, gently bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.finishLocked(why, gently)
}

func (c *client) finishLocked(why error, gently bool) {
	if c.over != nil {
		return
	}
	c.over = why
	c.free()
	w := c.wire
	if w != nil && !gently {
		_ = w.Close()
	}
	c.cancel()
	c.announce()
	go func() { // for up to 3 s, while a server says nothing
		<-c.made
		c.zk.Close()
		if w != nil {
			_ = w.Close()
		}
	}()
}

// why is why the client is over; nil: it isn't.
func (c *client) why() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.over
}

// want lets a session connect again, until it is given up.
func (c *client) want() (giveUp func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wanted++
	c.announce()
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.wanted--
	}
}

// await waits until there is a connection.
func (c *client) await(ctx context.Context) (*wire, error) {
	defer c.want()()
	c.mu.Lock()
	for {
		up, over, last, w, changed := c.up, c.over, c.lastErr, c.wire, c.changed
		c.mu.Unlock()
		switch {
		case c.d.ctx.Err() != nil:
			return nil, store.ErrClosed
		case errors.Is(over, store.ErrGone):
			return nil, over
		case over != nil:
			return nil, fmt.Errorf("%w (%w)", over, store.ErrUnreachable)
		case ctx.Err() != nil:
			if last == nil {
				last = context.Cause(ctx)
			}
			return nil, fmt.Errorf("no connection: %w (%w)", last, store.ErrUnreachable)
		case up:
			return w, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
		case <-c.ctx.Done():
		}
		c.mu.Lock()
	}
}

type answer[T any] struct {
	value T
	err   error
}

// ask makes a request and waits for its answer, but no longer than ctx. The error says what became of
// it: refused, gone, or neither where it may have been done.
func ask[T any](ctx context.Context, c *client, what string, f func(*zk.Conn) (T, error)) (T, error) {
	var none T
	defer c.want()() // till the end: a request that a broken connection left unsent waits for the next
	w, err := c.await(ctx)
	if err != nil {
		return none, c.d.say(what, err)
	}
	sent := c.d.since()
	answers := make(chan answer[T], 1)
	go func() {
		value, err := f(c.zk)
		answers <- answer[T]{value, err}
	}()
	select {
	case a := <-answers:
		if a.err != nil {
			return a.value, c.d.say(what, c.explain(a.err))
		}
		return a.value, nil
	case <-c.ctx.Done():
		why := c.why()
		if why == nil || errors.Is(why, store.ErrClosed) { // not that error: it would say that nothing was sent
			why = errors.New("the store was closed")
		}
		return none, c.d.say(what, fmt.Errorf("no answer: %w", why))
	case <-ctx.Done():
		if c.d.since()-sent >= min(silence, c.limit/2) && w.heard.Load() <= int64(sent) {
			_ = w.Close() // open, perhaps, and dead: another one may do better
		}
		return none, c.d.say(what, fmt.Errorf("no answer: %w", context.Cause(ctx)))
	}
}
