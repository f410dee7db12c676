package zkstore

import (
	"encoding/binary"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// wire is one connection to a server, below the client library. It knows what the library keeps to
// itself: what the server made of the session's timeout, and when something was heard. It can keep
// pings back.
type wire struct {
	net.Conn
	d      *driver
	asked  time.Time // before the session was asked for
	silent bool      // no pings, and no deadline for what is heard: only what is asked keeps the session

	shaken atomic.Bool
	heard  atomic.Int64 // since driver.base

	head    []byte // the first bytes that the server says
	timeout time.Duration
	session int64
	sent    bool // the first frame, which is no request

	once sync.Once
}

// The server's answer to who connects begins with its length, a version, the timeout and the session.
const handshake = 4 + 4 + 4 + 8

func (w *wire) Read(b []byte) (int, error) {
	n, err := w.Conn.Read(b)
	if n > 0 {
		w.heard.Store(int64(w.d.since()))
		if missing := handshake - len(w.head); missing > 0 {
			w.head = append(w.head, b[:min(n, missing)]...)
			if len(w.head) == handshake {
				w.timeout = time.Duration(binary.BigEndian.Uint32(w.head[8:])) * time.Millisecond
				w.session = int64(binary.BigEndian.Uint64(w.head[12:]))
				w.shaken.Store(true)
			}
		}
	}
	return n, err
}

// The library writes each message at once: its length, its number and its kind. A ping's are these.
const (
	pingSize   = 12
	pingNumber = 0xFFFFFFFE
)

func (w *wire) Write(b []byte) (int, error) {
	switch {
	case !w.sent:
		w.sent = true
	case len(b) == pingSize && binary.BigEndian.Uint32(b[4:]) == pingNumber:
		if w.silent {
			return len(b), nil
		}
	default:
		w.d.requests.Add(1)
	}
	return w.Conn.Write(b)
}

// SetReadDeadline implements net.Conn. A silent wire has none: who asks gives it up.
func (w *wire) SetReadDeadline(t time.Time) error {
	if w.silent && w.shaken.Load() {
		t = time.Time{}
	}
	return w.Conn.SetReadDeadline(t)
}

// Close implements net.Conn. Closing twice is harmless.
func (w *wire) Close() error {
	var err error
	w.once.Do(func() { err = w.Conn.Close() })
	return err
}
