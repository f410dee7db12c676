package consulstore

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/muster-go/muster/store"
)

const (
	// ownFeeds is for how many watches there are queries of their own. Each takes a connection, of
	// which a Consul agent allows 200 for all processes of a machine together.
	ownFeeds = 8
	// groupFeeds is how many queries there are for all else that is below one first segment.
	groupFeeds = 16
	// pulseEvery is how often a driver that watches asks whether Consul is still there.
	pulseEvery = 5 * time.Second
	// pulseTime is how long the answer may take.
	pulseTime = 3 * time.Second
)

// hub shares queries between watches.
type hub struct {
	d *driver

	mu    sync.Mutex
	feeds map[string]*feed
	pulse context.CancelFunc // of the pulse; nil: there is none
}

// join finds or starts a feed that shows what is below prefix.
func (h *hub) join(prefix string) (*feed, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if f := h.covering(prefix); f != nil {
		f.users++
		return f, nil
	}
	wide := prefix
	if len(h.feeds) >= ownFeeds {
		first, _, deep := strings.Cut(prefix, "/")
		switch {
		case deep && len(h.feeds) < ownFeeds+groupFeeds:
			wide = first + "/"
		case prefix != "":
			wide = ""
		}
	}
	ctx, cancel := context.WithCancel(h.d.ctx)
	f := &feed{d: h.d, prefix: wide, cancel: cancel, users: 1, changed: make(chan struct{})}
	if !h.d.spawn(func() { f.run(ctx) }) {
		cancel()
		return nil, store.ErrClosed
	}
	h.feeds[wide] = f
	if h.pulse == nil {
		ctx, cancel := context.WithCancel(h.d.ctx)
		h.pulse = cancel
		h.d.spawn(func() { h.beat(ctx) })
	}
	return f, nil
}

// covering is a feed that shows what is below prefix; nil: there is none.
func (h *hub) covering(prefix string) *feed {
	if f := h.feeds[prefix]; f != nil {
		return f
	}
	for end := len(prefix) - 1; end >= 0; end-- {
		if end > 0 && prefix[end-1] != '/' {
			continue
		}
		if f := h.feeds[prefix[:end]]; f != nil {
			return f
		}
	}
	return nil
}

// leave ends a feed with its last user.
func (h *hub) leave(f *feed) {
	h.mu.Lock()
	defer h.mu.Unlock()
	f.users--
	if f.users == 0 {
		f.cancel()
		h.remove(f)
	}
}

// forget takes a feed that is over out, so that another watch begins anew.
func (h *hub) forget(f *feed) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.remove(f)
}

func (h *hub) remove(f *feed) {
	if h.feeds[f.prefix] == f {
		delete(h.feeds, f.prefix)
	}
	if len(h.feeds) == 0 && h.pulse != nil {
		h.pulse()
		h.pulse = nil
	}
}

// disturb has all feeds read anew.
func (h *hub) disturb(err error) {
	for _, f := range h.all() {
		f.stop(err)
	}
}

func (h *hub) all() []*feed {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := make([]*feed, 0, len(h.feeds))
	for _, f := range h.feeds {
		all = append(all, f)
	}
	return all
}

// beat asks, again and again, whether Consul is there, has a leader and goes forward: a query that
// blocks doesn't say. Where there is no answer the queries' connections are given up.
func (h *hub) beat(ctx context.Context) {
	for {
		h.d.sleep(ctx, pulseEvery)
		if ctx.Err() != nil {
			return
		}
		asked := h.d.clk.Now()
		within, cancel := context.WithCancelCause(ctx)
		limit := h.d.clk.AfterFunc(pulseTime, func() { cancel(errNoAnswer) })
		_, err := h.d.newest(within)
		limit.Stop()
		cancel(nil)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			h.d.transport.CloseIdleConnections()
			h.disturb(err)
			continue
		}
		for _, f := range h.all() {
			f.heard(asked.Add(-deadPeer))
		}
	}
}
