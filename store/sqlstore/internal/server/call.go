package server

import (
	"context"
	"database/sql"
	sqldriver "database/sql/driver"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync/atomic"
	"time"

	"github.com/muster-go/muster/internal/bootclock"
	"github.com/muster-go/muster/store"
)

const (
	// ownLimit bounds the driver's own requests: its polls, and what its watches read.
	ownLimit = 3 * time.Second
	// ownCalls is how many of each kind of those can be under way, or hang, at a time.
	ownCalls = 16
	// doubtAfter is after how long without an answer other connections are doubted too.
	doubtAfter = 300 * time.Millisecond
	// tries is how often a request is begun that found its connection dead before it was sent.
	tries = 3
)

var (
	errNoAnswer  = errors.New("no answer")
	errNoMeta    = errors.New("the table with the revision is empty, or the server became a standby")
	errNoOutcome = errors.New("the server said nothing of it")
	errOwnCalls  = errors.New("too many requests hang")
	errNoTables  = errors.New("the tables are missing")
)

// ask makes one request in a goroutine of its own, on a connection of its own, and waits for it no
// longer than ctx and the driver live: a client library may ignore them. The error says what became
// of the request: see fault.
func ask[T any](ctx context.Context, d *Driver, what string, db *sql.DB, f func(context.Context, *sql.Conn) (T, error)) (T, error) {
	return askThen(ctx, d, what, db, f, func() {})
}

// askThen calls over when the request is over, which may be long after it was given up.
func askThen[T any](ctx context.Context, d *Driver, what string, db *sql.DB, f func(context.Context, *sql.Conn) (T, error), over func()) (T, error) {
	var none T
	if d.ctx.Err() != nil {
		over()
		return none, store.ErrClosed
	}
	if err := ctx.Err(); err != nil {
		over()
		return none, fmt.Errorf("%s: %s: not begun: %w (%w)", d.cfg.Name, what, context.Cause(ctx), store.ErrUnreachable)
	}
	within, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(d.ctx, cancel)()
	type answer struct {
		value T
		err   error
	}
	var at stage
	answers := make(chan answer, 1)
	go func() {
		defer over()
		began := bootclock.Clock.Now()
		value, err := attempt(within, d, db, &at, f)
		if err != nil && at.sent() && within.Err() != nil && d.cfg.Doubt != nil && bootclock.Clock.Now().Sub(began) >= doubtAfter {
			d.cfg.Doubt()
		}
		answers <- answer{value, err}
	}()
	var a answer
	select {
	case a = <-answers:
	case <-within.Done():
		select {
		case a = <-answers:
		default:
			at.giveUp()
			a.err = errNoAnswer
		}
	}
	if a.err != nil {
		return none, d.explain(ctx, what, at.sent(), a.err)
	}
	return a.value, nil
}

// stage is how far a request is. One that was given up before it was sent is never sent.
type stage struct{ at atomic.Int32 }

const (
	stageUnsent int32 = iota
	stageSent
	stageGivenUp
)

func (s *stage) send() bool   { return s.at.CompareAndSwap(stageUnsent, stageSent) }
func (s *stage) sent() bool   { return s.at.Load() == stageSent }
func (s *stage) unsend() bool { return s.at.CompareAndSwap(stageSent, stageUnsent) }
func (s *stage) giveUp()      { s.at.CompareAndSwap(stageUnsent, stageGivenUp) }

// attempt gets a connection and runs f on it. One that was found dead before anything was sent is
// exchanged for another.
func attempt[T any](ctx context.Context, d *Driver, db *sql.DB, at *stage, f func(context.Context, *sql.Conn) (T, error)) (T, error) {
	var none T
	for left := tries; ; left-- {
		c, err := db.Conn(ctx)
		if err != nil {
			return none, err
		}
		if !at.send() {
			return none, errors.Join(errNoAnswer, c.Close())
		}
		d.requests.Add(1)
		value, err := f(ctx, c)
		if d.wrongServer(err) {
			_ = c.Raw(func(any) error { return sqldriver.ErrBadConn }) // the next one may lead elsewhere
		}
		_ = c.Close() // gives it back
		if err == nil || !d.unsent(err) || !at.unsend() || left == 1 || ctx.Err() != nil {
			return value, err
		}
	}
}

// wrongServer says that an error came from a server that doesn't write.
func (d *Driver) wrongServer(err error) bool {
	if err == nil {
		return false
	}
	if errors.Is(err, errNoMeta) || errors.Is(err, errReadOnly) {
		return true
	}
	code := d.cfg.Dialect.code(err)
	return code != "" && d.cfg.Dialect.fault(code) == faultReadOnly
}

// unsent says that an error came before anything was sent.
func (d *Driver) unsent(err error) bool {
	if errors.Is(err, sqldriver.ErrBadConn) {
		return d.exact
	}
	e, ok := errors.AsType[interface {
		error
		SafeToRetry() bool
	}](err)
	return ok && e.SafeToRetry()
}

// exact tells whether a handle's client says driver.ErrBadConn only when nothing was sent, as it should.
// Some (lib/pq) say it too when the server went away before it answered.
func exact(db *sql.DB) bool {
	client := reflect.TypeOf(db.Driver())
	for client != nil && client.Kind() == reflect.Pointer {
		client = client.Elem()
	}
	return client != nil && slices.Contains([]string{"github.com/jackc/pgx/v5/stdlib", "github.com/go-sql-driver/mysql"}, client.PkgPath())
}

// own is ask for the driver's own requests: within ownLimit, and not too many at a time.
func own[T any](ctx context.Context, d *Driver, slots chan struct{}, what string, db *sql.DB, f func(context.Context, *sql.Conn) (T, error)) (T, error) {
	var none T
	ctx, cancel := context.WithCancelCause(ctx)
	timer := bootclock.Clock.AfterFunc(ownLimit, func() { cancel(fmt.Errorf("%w within %v", errNoAnswer, ownLimit)) })
	defer func() { timer.Stop(); cancel(nil) }()
	select {
	case slots <- struct{}{}:
	case <-ctx.Done():
		return none, fmt.Errorf("%s: %s: %w (%w)", d.cfg.Name, what, errOwnCalls, store.ErrUnreachable)
	case <-d.ctx.Done():
		return none, store.ErrClosed
	}
	return askThen(ctx, d, what, db, f, func() { <-slots })
}

// explain says what became of a request that failed: its class (see store.Error), or none if it may
// have been done. sent says that it may have left.
func (d *Driver) explain(ctx context.Context, what string, sent bool, err error) error {
	if errors.Is(err, store.ErrRefused) || errors.Is(err, store.ErrGone) {
		return err
	}
	if code := d.cfg.Dialect.code(err); code != "" {
		if err := d.explainFault(what, d.cfg.Dialect.fault(code), err); err != nil {
			return err
		}
	}
	switch {
	case d.ctx.Err() != nil && !sent:
		return store.ErrClosed
	case d.ctx.Err() != nil:
		return fmt.Errorf("%s: %s: the store was closed before the answer came", d.cfg.Name, what)
	case ctx.Err() != nil:
		err = context.Cause(ctx)
	}
	if sent && (errors.Is(err, store.ErrRefused) || errors.Is(err, store.ErrGone)) {
		err = opaque(err) // the cause of the context's end says nothing of the request
	}
	if sent {
		return fmt.Errorf("%s: %s: %w", d.cfg.Name, what, err)
	}
	return fmt.Errorf("%s: %s: %w (%w)", d.cfg.Name, what, err, store.ErrUnreachable)
}

// explainFault is explain for an error of the server's; nil if its code doesn't say what became of the
// request. What may be mended under a living driver, and sooner or later is, is permanent only for
// one that is being opened.
func (d *Driver) explainFault(what string, f fault, err error) error {
	say := func(mend string, class error) error {
		return fmt.Errorf("%s: %s: %w: %s (%w)", d.cfg.Name, what, err, mend, class)
	}
	permanent := func(class error) error {
		if d.opened.Load() {
			return store.ErrRefused
		}
		return class
	}
	switch f {
	case faultUnauthorized:
		return say("check the user, the password and the rights on the tables", permanent(store.ErrUnauthorized))
	case faultNoTables:
		d.wake() // to make them
		return fmt.Errorf("%s: %s: %w: %w (%w)", d.cfg.Name, what, errNoTables, err, store.ErrRefused)
	case faultNotOurs:
		return say("tables of this name are another program's: choose another prefix", permanent(store.ErrInvalid))
	case faultNoDatabase:
		return say("create the database, or name another", permanent(store.ErrInvalid))
	case faultReadOnly:
		return say("this server is a standby, or was set to read only: name the one that writes", store.ErrUnreachable)
	case faultRefused, faultBusy:
		return fmt.Errorf("%s: %s: %w (%w)", d.cfg.Name, what, err, store.ErrRefused)
	}
	return nil
}
