package server

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/muster-go/muster/store"
)

// prepare sees that the tables are there, and makes them if it may.
func (d *Driver) prepare(ctx context.Context) (meta, error) {
	return ask(ctx, d, "opening", d.cfg.DB, func(ctx context.Context, c *sql.Conn) (meta, error) {
		if err := d.cfg.Dialect.inspect(ctx, d, c); err != nil {
			return meta{}, err
		}
		m, err := d.readMeta(ctx, c)
		if d.missing(err) {
			if m, err = d.create(ctx, c); err != nil {
				return meta{}, err
			}
		}
		if err != nil {
			return meta{}, err
		}
		if d.cfg.Dialect.allowed != nil {
			err = d.cfg.Dialect.allowed(ctx, d, c)
		}
		return m, err
	})
}

// missing tells whether an error says that there are no tables.
func (d *Driver) missing(err error) bool {
	if errors.Is(err, errNoTables) {
		return true
	}
	code := ""
	if err != nil {
		code = d.cfg.Dialect.code(err)
	}
	return code != "" && d.cfg.Dialect.fault(code) == faultNoTables
}

// create makes the tables. Of many that do so at once each tries until all is there: what a server
// says to those that come second is different from one to another.
func (d *Driver) create(ctx context.Context, c *sql.Conn) (meta, error) {
	if d.cfg.NoDDL {
		return meta{}, fmt.Errorf("%s: the tables %s… are missing, and may not be made (no_ddl): let somebody make them who may, with the statements that 'agent store schema' prints: %w", d.cfg.Name, d.cfg.Dialect.tables(d.cfg.Names, "{meta}"), d.permanent(store.ErrInvalid))
	}
	var err error
	for range 10 {
		if err = d.cfg.Dialect.create(ctx, d, c); err == nil {
			m, err := d.readMeta(ctx, c)
			if !d.missing(err) {
				return m, err
			}
		}
		code := ""
		if err != nil {
			code = d.cfg.Dialect.code(err)
		}
		if err != nil && (code == "" || d.cfg.Dialect.fault(code) != faultBusy) {
			break
		}
		if !d.sleep(ctx, 5*time.Millisecond+rand.N(20*time.Millisecond)) {
			return meta{}, ctx.Err()
		}
	}
	if err == nil {
		err = errNoTables
	}
	if code := d.cfg.Dialect.code(err); code != "" && d.cfg.Dialect.fault(code) == faultUnauthorized {
		return meta{}, fmt.Errorf("%s: the tables are missing, and this user may not make them (%w): let somebody who may run the statements that 'agent store schema' prints, and grant this user SELECT, INSERT, UPDATE and DELETE on them: %w", d.cfg.Name, err, d.permanent(store.ErrUnauthorized))
	}
	return meta{}, err
}

// permanent is class for a driver that is being opened; for one that lives nothing is permanent that
// somebody may mend.
func (d *Driver) permanent(class error) error {
	if d.opened.Load() {
		return store.ErrRefused
	}
	return class
}
