package servertest

import (
	"net"
	"sync"
	"sync/atomic"
	"testing"
)

// Proxy stands on loopback between clients and one address, and disturbs what passes. Its methods
// may be called from many goroutines.
type Proxy struct {
	target   string
	listener net.Listener
	loops    sync.WaitGroup

	toServer, toClient atomic.Int64
	messages           atomic.Int64

	mu      sync.Mutex
	state   state
	changed chan struct{} // closed and replaced at each change of state
	conns   map[net.Conn]bool
}

// state is what a Proxy does with what comes.
type state struct {
	cut, closed               bool
	holdRequests, holdReplies bool
}

// NewProxy starts a proxy to an address, host:port, that need not answer yet; it ends with the test.
func NewProxy(t testing.TB, target string) *Proxy {
	t.Helper()
	listener, err := net.Listen("tcp", host+":0")
	if err != nil {
		t.Fatalf("servertest: a proxy to %s: %v", target, err)
	}
	p := &Proxy{target: target, listener: listener, changed: make(chan struct{}), conns: map[net.Conn]bool{}}
	p.loops.Go(p.accept)
	t.Cleanup(p.Close)
	return p
}

// Endpoint is where the proxy listens, as host:port.
func (p *Proxy) Endpoint() string { return p.listener.Addr().String() }

// BlackHole keeps every connection open and lets no byte pass, in either direction. New connections
// are accepted, and nothing comes of them. What was sent meanwhile arrives after Heal, as TCP's
// repetitions see to, unless the sender gave the connection up.
func (p *Proxy) BlackHole() { p.become(state{holdRequests: true, holdReplies: true}) }

// HoldReplies lets requests pass and holds what the server answers, until Heal.
func (p *Proxy) HoldReplies() { p.become(state{holdReplies: true}) }

// Cut resets every connection, and each new one, until Heal.
func (p *Proxy) Cut() { p.become(state{cut: true}) }

// Heal lets everything pass again.
func (p *Proxy) Heal() { p.become(state{}) }

// Bytes counts what passed so far.
func (p *Proxy) Bytes() (toServer, toClient int64) { return p.toServer.Load(), p.toClient.Load() }

// Messages counts how often clients sent something: about as many as their requests, where each is
// sent at once and few at the same time.
func (p *Proxy) Messages() int64 { return p.messages.Load() }

// Close ends the proxy and every connection. Closing twice is harmless.
func (p *Proxy) Close() {
	p.become(state{cut: true, closed: true})
	_ = p.listener.Close()
	p.loops.Wait()
}

func (p *Proxy) become(next state) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.state.closed {
		return
	}
	p.state = next
	close(p.changed)
	p.changed = make(chan struct{})
	if next.cut {
		for conn := range p.conns {
			reset(conn)
		}
	}
}

// reset ends a connection so that the other side sees a reset, and not an orderly end.
func reset(conn net.Conn) {
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

// take keeps a connection in the books; false: connections are cut, and this one with them.
func (p *Proxy) take(conn net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.state.cut {
		reset(conn)
		return false
	}
	p.conns[conn] = true
	return true
}

func (p *Proxy) drop(conn net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, conn)
	_ = conn.Close()
}

func (p *Proxy) accept() {
	for {
		conn, err := p.listener.Accept()
		if err != nil {
			return
		}
		if p.take(conn) {
			p.loops.Go(func() { p.serve(conn) })
		}
	}
}

// serve passes one connection's bytes until either side ends it.
func (p *Proxy) serve(client net.Conn) {
	defer p.drop(client)
	if !p.pass(func(s state) bool { return s.holdRequests }) {
		return
	}
	server, err := net.DialTimeout("tcp", p.target, patience)
	if err != nil {
		reset(client)
		return
	}
	if !p.take(server) {
		return
	}
	defer p.drop(server)
	var back sync.WaitGroup
	back.Go(func() { p.copy(client, server, &p.toClient, func(s state) bool { return s.holdReplies }) })
	p.copy(server, counted{client, &p.messages}, &p.toServer, func(s state) bool { return s.holdRequests })
	back.Wait()
}

// counted counts the reads of a connection that brought something.
type counted struct {
	net.Conn
	reads *atomic.Int64
}

// Read implements net.Conn.
func (c counted) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if n > 0 {
		c.reads.Add(1)
	}
	return n, err
}

// copy passes bytes from one side to the other, and ends both when it can't.
func (p *Proxy) copy(to, from net.Conn, passed *atomic.Int64, held func(state) bool) {
	defer func() { _, _ = to.Close(), from.Close() }()
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			if !p.pass(held) {
				return
			}
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
			passed.Add(int64(n))
		}
		if err != nil {
			p.pass(held) // an end is held as bytes are
			return
		}
	}
}

// pass blocks while the direction is held; false: connections are cut.
func (p *Proxy) pass(held func(state) bool) bool {
	for {
		p.mu.Lock()
		now, changed := p.state, p.changed
		p.mu.Unlock()
		if now.cut {
			return false
		}
		if !held(now) {
			return true
		}
		<-changed
	}
}
