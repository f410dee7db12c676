package mysql

import (
	"context"
	"database/sql"
	"errors"
	"net/url"
	"time"

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
	// idleTime is how long a connection that nobody uses is kept.
	idleTime = time.Minute
)

// errPatience is why Open gave up.
var errPatience = errors.New("no answer in time")

// Open is the store.Opener for URLs like mysql://user:password@h1:3306,h2:3306/database, and the same
// with mariadb:; the package's documentation lists their parameters. It makes the tables if they are
// missing, and fails unless one of the hosts answers, and writes, within 5 s.
func Open(ctx context.Context, u *url.URL, clk store.Clock) (store.Driver, error) {
	a, err := parseURL(u)
	if err != nil {
		return nil, err
	}
	d, err := a.open(ctx, server.Config{Clock: clk})
	if err != nil {
		return nil, err
	}
	return d, nil
}

func (a *address) open(ctx context.Context, cfg server.Config) (*server.Driver, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer bootclock.Clock.AfterFunc(patience, func() { cancel(errPatience) }).Stop()
	configs, err := a.configs()
	if err != nil {
		return nil, a.refuse("can't be used (%v)", err)
	}
	connector, err := newHosts(configs)
	if err != nil {
		return nil, a.refuse("can't be used (%v)", err)
	}
	pool := func(most int) *sql.DB {
		db := sql.OpenDB(connector)
		db.SetMaxOpenConns(most)
		db.SetMaxIdleConns(most)
		db.SetConnMaxIdleTime(idleTime)
		return db
	}
	calls, steady := pool(callConns), pool(steadyConns)
	cfg.Close = func() { _, _ = calls.Close(), steady.Close() }
	dialect, err := server.Find(ctx, steady, a.name("MariaDB or MySQL"))
	if err != nil {
		cfg.Close()
		return nil, err
	}
	cfg.DB, cfg.Steady, cfg.Dialect, cfg.Name, cfg.Names, cfg.NoDDL = calls, steady, dialect, a.name(dialect.Name), a.names, a.noDDL
	return server.Open(ctx, cfg)
}
