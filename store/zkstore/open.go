package zkstore

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/muster-go/muster/internal/bootclock"
	"github.com/muster-go/muster/store"
)

// patience bounds Open.
const patience = 5 * time.Second

// errPatience is why Open gave up.
var errPatience = errors.New("no answer in time")

// servers are where ZooKeeper's are.
type servers interface {
	// list has at least one, and is not to be changed.
	list() []string
}

// fixed are servers that a URL names.
type fixed []string

func (f fixed) list() []string { return f }

// Open is the store.Opener for URLs like zk://user@h1:2181,h2:2181/root; the package's documentation
// lists their parameters. It fails unless one of the hosts lets it in and answers a write within 5 s; the
// error has each host's own reason.
func Open(ctx context.Context, u *url.URL, clk store.Clock) (store.Driver, error) {
	a, err := parseURL(u, defaultPort)
	if err != nil {
		return nil, err
	}
	if clk == nil {
		clk = bootclock.Clock
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer clk.AfterFunc(patience, func() { cancel(errPatience) }).Stop()
	d := newDriver(a.config(clk), fixed(a.hosts))
	if err := d.open(ctx); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}

// open asks the service what it can do, and begins.
func (d *driver) open(ctx context.Context) error {
	if err := d.ping(ctx); err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	l, err := d.openLink(ctx)
	if err == nil {
		if _, err = d.present(ctx, l); err != nil {
			l.finish(err, true)
		}
	}
	if err != nil {
		return err
	}
	d.setLink(l, nil)
	d.spawn(d.keepLinked)
	return nil
}

// ping asks all servers at once until one lets a client in, and learns its limits.
func (d *driver) ping(ctx context.Context) error {
	within, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	type limits struct{ shortest, longest time.Duration }
	list := d.servers.list()
	found := make(chan limits, len(list))
	reasons := make([]string, len(list))
	parallel(len(list), func(i int) {
		l := limits{}
		var err error
		if l.shortest, err = shake(within, list[i], time.Millisecond); err == nil {
			l.longest, err = shake(within, list[i], math.MaxInt32*time.Millisecond)
		}
		if err != nil {
			reasons[i] = fmt.Sprintf("%s: %v", list[i], plain(err))
			return
		}
		found <- l
		cancel(nil)
	})
	select {
	case l := <-found:
		d.limits, d.tick = limitsOf(l.shortest, l.longest), l.shortest/2
		return nil
	default:
		return fmt.Errorf("zookeeper: %s: %w", strings.Join(reasons, "; "), store.ErrUnreachable)
	}
}

// plain says what an end of the connection means.
func plain(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("it closed the connection: it is no ZooKeeper, has no leader, or has too many clients (maxClientCnxns)")
	}
	return err
}

// limitsOf are the limits where ZooKeeper keeps sessions for so long. See session for why a TTL is shorter
// than its timeout there. The lag is for a timeout that is rounded up to a tick, for the half of a tick
// after which a leader hears of a session, and for the election of another leader.
func limitsOf(shortest, longest time.Duration) store.Limits {
	tick := shortest / 2
	return store.Limits{
		MinTTL:       (shortest * 2 / 5).Round(time.Millisecond),
		MaxTTL:       ((longest - tick) * 4 / 5).Truncate(time.Millisecond),
		Granularity:  time.Millisecond,
		ExpiryFactor: 1 + slackPart,
		ExpiryLag:    tick + tick*3/2 + 1500*time.Millisecond,
		MaxRecords:   10_000,
		MaxValue:     maxValue,
	}
}

// shake asks a server for a session of this timeout, ends it, and gives the timeout that it had.
func shake(ctx context.Context, addr string, timeout time.Duration) (time.Duration, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return 0, err
	}
	defer func() { _ = conn.Close() }()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	// The length; the version, the revision seen, the timeout, the session and its password.
	hello := binary.BigEndian.AppendUint32(nil, 4+8+4+8+4+16)
	hello = append(hello, make([]byte, 4+8)...)
	hello = binary.BigEndian.AppendUint32(hello, uint32(timeout/time.Millisecond))
	hello = append(hello, make([]byte, 8)...)
	hello = binary.BigEndian.AppendUint32(hello, 16)
	hello = append(hello, make([]byte, 16)...)
	_, err = conn.Write(hello)
	answer := make([]byte, handshake)
	if err == nil {
		_, err = io.ReadFull(conn, answer)
	}
	switch length := binary.BigEndian.Uint32(answer); {
	case ctx.Err() != nil:
		return 0, context.Cause(ctx)
	case err != nil:
		return 0, err
	case length < 4+4+8+4+16 || length > 64:
		return 0, errors.New("it is no ZooKeeper")
	}
	const closeSession = 0xFFFFFFF5
	bye := binary.BigEndian.AppendUint32([]byte{0, 0, 0, 8, 0, 0, 0, 1}, closeSession)
	_, _ = conn.Write(bye)
	return time.Duration(binary.BigEndian.Uint32(answer[8:])) * time.Millisecond, nil
}
