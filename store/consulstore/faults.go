package consulstore

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/muster-go/muster/store"
)

const (
	// callTime is how long an answer may take.
	callTime = 10 * time.Second
	// connectTime is how long a new connection may take.
	connectTime = 5 * time.Second
)

// What ends a request or a watch's query without Consul's saying so.
var (
	errNoAnswer = errors.New("no answer in time")
	errWentBack = errors.New("the store's index ran backwards")
	errEnded    = errors.New("a query ended early: the store may have been restored")
	errNoIndex  = errors.New("an answer without X-Consul-Index: is this Consul, and does what stands between pass on its headers?")
)

// statusError is an answer that is none.
type statusError struct {
	code int
	body string
}

func (e *statusError) Error() string {
	text := strings.TrimSpace(e.body)
	if text == "" || len(text) > 300 {
		text = http.StatusText(e.code)
	}
	return fmt.Sprintf("%s (status %d)", text, e.code)
}

// ask makes one request, which ends with ctx, with the driver, and after limit. The error says what
// became of it: see fault.
func (d *driver) ask(ctx context.Context, what string, limit time.Duration, request func(context.Context) error) error {
	if err := d.mayBegin(ctx, what); err != nil {
		return err
	}
	within, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(d.ctx, func() { cancel(store.ErrClosed) })()
	defer d.clk.AfterFunc(limit, func() { cancel(errNoAnswer) }).Stop()
	var sent atomic.Bool
	trace := &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { sent.Store(true) }}
	err := request(httptrace.WithClientTrace(within, trace))
	if err == nil {
		return nil
	}
	if within.Err() != nil {
		err = context.Cause(within)
	}
	return d.fault(what, sent.Load(), err)
}

// mayBegin refuses what can't succeed any more.
func (d *driver) mayBegin(ctx context.Context, what string) error {
	if d.ctx.Err() != nil {
		return store.ErrClosed
	}
	if err := context.Cause(ctx); err != nil {
		return fmt.Errorf("%s: %s: not begun: %w (%w)", d.name, what, err, store.ErrUnreachable)
	}
	return nil
}

// fault says what became of a request that failed: its class (see store.Error), or none if it may
// have been done. sent says that it may have left.
func (d *driver) fault(what string, sent bool, err error) error {
	err = d.explain(err)
	switch {
	case errors.Is(err, store.ErrClosed) && !sent:
		return store.ErrClosed
	case errors.Is(err, store.ErrClosed):
		return fmt.Errorf("%s: %s: the store was closed before the answer came", d.name, what)
	case sent || errors.Is(err, store.ErrRefused) || errors.Is(err, store.ErrGone):
		return fmt.Errorf("%s: %s: %w", d.name, what, err)
	}
	return fmt.Errorf("%s: %s: %w (%w)", d.name, what, err, store.ErrUnreachable)
}

// explain gives an error in a user's words, with its class if it has one by itself.
func (d *driver) explain(err error) error {
	var status *statusError
	if errors.As(err, &status) {
		return d.explainStatus(status)
	}
	if wrapped, ok := errors.AsType[*url.Error](err); ok { // it quotes the URL, which the name says
		err = wrapped.Err
	}
	switch text := err.Error(); {
	case strings.Contains(text, "server gave HTTP response to HTTPS client"):
		return fmt.Errorf("%w: if it speaks no TLS, leave the parameters for it out", err)
	case strings.Contains(text, "malformed HTTP response"):
		return fmt.Errorf("%w: if it speaks TLS, add tls=true or ca=FILE", err)
	}
	return err
}

func (d *driver) explainStatus(err *statusError) error {
	switch {
	case err.code == http.StatusForbidden || err.code == http.StatusUnauthorized:
		return d.unauthorized(err)
	case err.code == http.StatusTooManyRequests: // said before anything is done
		return fmt.Errorf("%w (%w)", err, store.ErrRefused)
	case err.code == http.StatusRequestEntityTooLarge:
		return fmt.Errorf("%w (%w)", err, store.ErrInvalid)
	case err.code == http.StatusBadRequest && strings.Contains(err.body, "HTTP request to an HTTPS server"):
		return fmt.Errorf("%w: add tls=true or ca=FILE (%w)", err, store.ErrInvalid)
	case saysDenied(err.body):
		return d.unauthorized(err)
	case strings.Contains(err.body, "No cluster leader"): // said before anything is done
		return fmt.Errorf("%w: have a majority of its servers run (%w)", err, store.ErrUnreachable)
	case strings.Contains(err.body, "No path to datacenter"):
		return fmt.Errorf("%w: check the parameter dc=%s (%w)", err, d.a.datacenter, store.ErrUnreachable)
	case strings.Contains(err.body, "Missing node registration"):
		return fmt.Errorf("%w: name a node of the datacenter with the parameter node (%w)", err, store.ErrInvalid)
	case strings.Contains(err.body, "Invalid Session TTL"):
		return fmt.Errorf("%w: say what session_ttl_min its servers have with the parameter min_ttl (%w)", err, store.ErrInvalid)
	}
	return err
}

// unauthorized says which rules a token needs.
func (d *driver) unauthorized(err error) error {
	return fmt.Errorf("%w: give a token (token_file=FILE) with the rules key_prefix %q { policy = \"write\" } and session_prefix %q { policy = \"write\" } (%w)",
		err, d.a.root(), d.a.node, store.ErrUnauthorized)
}
