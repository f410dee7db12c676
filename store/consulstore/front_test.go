package consulstore_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/store"
)

// front stands before a server, speaks HTTP, sees each request and may change each answer.
type front struct {
	*httptest.Server

	requests, blocking, mostBlocking atomic.Int64

	mu     sync.Mutex
	token  string
	change func(*http.Response)                                     // nil: nothing
	seen   func(w http.ResponseWriter, r *http.Request) (done bool) // nil: nothing; with mu
}

func newFront(t testing.TB, target string) *front {
	t.Helper()
	f := &front{}
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: target})
	proxy.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug)
	proxy.ModifyResponse = func(answer *http.Response) error {
		f.mu.Lock()
		defer f.mu.Unlock()
		if f.change != nil {
			f.change(answer)
		}
		return nil
	}
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.requests.Add(1)
		f.mu.Lock()
		f.token = r.Header.Get("X-Consul-Token")
		done := f.seen != nil && f.seen(w, r)
		f.mu.Unlock()
		if done {
			return
		}
		if r.URL.Query().Get("index") != "" {
			now := f.blocking.Add(1)
			defer f.blocking.Add(-1)
			for most := f.mostBlocking.Load(); now > most && !f.mostBlocking.CompareAndSwap(most, now); most = f.mostBlocking.Load() {
			}
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(func() {
		f.CloseClientConnections()
		f.Close()
		if transport, ok := http.DefaultTransport.(*http.Transport); ok {
			transport.CloseIdleConnections()
		}
	})
	return f
}

func (f *front) addr() string { return f.Listener.Addr().String() }

func (f *front) latestToken() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.token
}

// changing has every answer changed from now on.
func (f *front) changing(change func(*http.Response)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.change = change
}

// seeing has every request changed, or answered, from now on.
func (f *front) seeing(seen func(w http.ResponseWriter, r *http.Request) (done bool)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.seen = seen
}

// says makes an answer an error.
func says(answer *http.Response, code int, text string) {
	_ = answer.Body.Close()
	answer.StatusCode, answer.Status = code, http.StatusText(code)
	answer.Body = io.NopCloser(strings.NewReader(text))
	answer.ContentLength = int64(len(text))
	answer.Header.Del("Content-Length")
	answer.Header.Del("Content-Encoding")
}

// watching is a watch at work, and what it made of its events.
type watching struct {
	stop context.CancelFunc
	done chan error

	mu     sync.Mutex
	view   map[string]store.Record
	events []store.Event
}

// watch begins a watch and waits for its snapshot. It ends with the test.
func watch(t testing.TB, d store.Driver, prefix string) *watching {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	w := &watching{stop: cancel, done: make(chan error, 1), view: map[string]store.Record{}}
	go func() { w.done <- d.Watch(ctx, prefix, w.take) }()
	t.Cleanup(cancel)
	w.until(t, "a snapshot", func() bool { return len(w.events) > 0 })
	return w
}

func (w *watching) take(e store.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.events = append(w.events, e)
	switch e.Kind {
	case store.EventSnapshot, store.EventReset:
		clear(w.view)
		for _, r := range e.Records {
			w.view[r.Key] = r
		}
	case store.EventPut:
		w.view[e.Record.Key] = e.Record
	case store.EventDelete:
		delete(w.view, e.Record.Key)
	}
}

func (w *watching) until(t testing.TB, what string, cond func() bool) {
	t.Helper()
	require.Eventually(t, func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		return cond()
	}, time.Minute, 5*time.Millisecond, what)
}

func (w *watching) sees(t testing.TB, key string) {
	t.Helper()
	w.until(t, "the watch to see "+key, func() bool { _, ok := w.view[key]; return ok })
}

func (w *watching) misses(t testing.TB, key string) {
	t.Helper()
	w.until(t, "the watch to see that "+key+" went", func() bool { _, ok := w.view[key]; return !ok })
}

// has waits for an event of a kind, and gives the latest.
func (w *watching) has(t testing.TB, kind store.EventKind) (found store.Event) {
	t.Helper()
	w.until(t, "an event", func() bool {
		for _, e := range w.events {
			if e.Kind == kind {
				found = e
			}
		}
		return found.Kind == kind
	})
	return found
}

func (w *watching) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.events)
}

func (w *watching) returns(t testing.TB) error {
	t.Helper()
	select {
	case err := <-w.done:
		return err
	case <-time.After(time.Minute):
		return errors.New("the watch didn't return")
	}
}

// apply does one write that must succeed.
func apply(t testing.TB, d store.Driver, w store.Write) uint64 {
	t.Helper()
	outcomes, err := d.Apply(context.Background(), []store.Write{w})
	require.NoError(t, err)
	require.NoError(t, outcomes[0].Err)
	return outcomes[0].Rev
}
