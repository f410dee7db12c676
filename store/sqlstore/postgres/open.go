package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/muster-go/muster/internal/bootclock"
	"github.com/muster-go/muster/store"
	"github.com/muster-go/muster/store/sqlstore/internal/server"
)

const (
	// patience bounds Open.
	patience = 5 * time.Second
	// steadyConns are for renewals and polls, callConns for everything else.
	steadyConns = 3
	callConns   = 4
	// idleConns of each kind are kept.
	idleConns = 2
	// idleTime is how long a connection that nobody uses is kept.
	idleTime = time.Minute
)

// errPatience is why Open gave up.
var errPatience = errors.New("no answer in time")

// Open is the store.Opener for URLs like postgres://user:password@h1:5432,h2:5432/database; the
// package's documentation lists their parameters. It makes the tables if they are missing, and fails
// unless one of the hosts answers, and writes, within 5 s.
func Open(ctx context.Context, u *url.URL, clk store.Clock) (store.Driver, error) {
	a, err := parseURL(u)
	if err != nil {
		return nil, err
	}
	return a.open(ctx, server.Config{Clock: clk})
}

func (a *address) open(ctx context.Context, cfg server.Config) (*server.Driver, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer bootclock.Clock.AfterFunc(patience, func() { cancel(errPatience) }).Stop()
	w := newWire(a.pgx)
	pool := func(most int) *sql.DB {
		db := sql.OpenDB(w.connector())
		db.SetMaxOpenConns(most)
		db.SetMaxIdleConns(idleConns)
		db.SetConnMaxIdleTime(idleTime)
		return db
	}
	calls, steady := pool(callConns), pool(steadyConns)
	cfg.DB, cfg.Steady, cfg.Dialect, cfg.Name, cfg.Names, cfg.NoDDL = calls, steady, server.PostgreSQL, a.name(), a.names, a.noDDL
	cfg.Listen = w.listen
	cfg.Doubt = func() {
		for _, db := range []*sql.DB{calls, steady} {
			db.SetMaxIdleConns(-1) // which closes them
			db.SetMaxIdleConns(idleConns)
		}
	}
	cfg.Close = func() {
		w.close() // first, or what hangs would hold up the rest
		_, _ = calls.Close(), steady.Close()
	}
	d, err := server.Open(ctx, cfg)
	if err != nil {
		return nil, a.explain(err)
	}
	return d, nil
}

// explain puts the reason why there is no connection in a user's words, on one line.
func (a *address) explain(err error) error {
	connect, ok := errors.AsType[*pgconn.ConnectError](err)
	if !ok {
		return err
	}
	why := strings.Join(strings.FieldsFunc(connect.Unwrap().Error(), func(r rune) bool { return r == '\n' || r == '\t' }), "; ")
	say := func(mend string, class error) error {
		return fmt.Errorf("%s: user %q: %s: %s: %w", a.name(), a.pgx.User, why, mend, class)
	}
	var server *pgconn.PgError
	errors.As(err, &server)
	switch {
	case strings.Contains(why, "read only connection") || server != nil && server.Code == "25006":
		return say("name the server that writes, not a standby", store.ErrUnreachable)
	case server == nil:
		return say("see that it runs and can be reached", store.ErrUnreachable)
	case strings.HasPrefix(server.Code, "28"):
		return say("check the user, the password and the server's pg_hba.conf", store.ErrUnauthorized)
	case server.Code == "3D000":
		return say("create the database, or name another", store.ErrInvalid)
	}
	return say("see that it runs and can be reached", store.ErrUnreachable)
}
