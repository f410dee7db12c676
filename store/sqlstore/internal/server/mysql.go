package server

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"github.com/muster-go/muster/store"
)

// MySQL is the dialect of MariaDB 10.6, MySQL 8 and newer. A write is a transaction of several
// requests, which begins with the lock of the row of meta; isolated as READ COMMITTED, so that each of
// its statements sees what is there after the wait for the lock.
var MySQL = &Dialect{
	Name:   "MariaDB or MySQL",
	quote:  "`",
	schema: func(Names) string { return mysqlTables },
	statements: statements{
		meta:     `SELECT ` + "`schema`" + `, store, rev, mark, ` + mysqlLife + `, IF(@@global.read_only, 0, 1) FROM {meta}`,
		grant:    `INSERT INTO {sessions} (id, ttl_ns, renewals) VALUES (?, ?, 0)`,
		renew:    `UPDATE {sessions} SET renewals = renewals + 1 WHERE id = ?`,
		sessions: `SELECT id, ttl_ns, renewals FROM {sessions}`,
		owned: `SELECT m.rev, m.store, r.name, r.value, r.create_rev, r.mod_rev, r.session
			FROM {meta} m LEFT JOIN {records} r ON r.session = ? AND r.session <> ''`,
		list: `SELECT m.rev, m.store, r.name, r.value, r.create_rev, r.mod_rev, r.session
			FROM {meta} m LEFT JOIN {records} r ON r.name >= ? AND r.name < ? ORDER BY r.create_rev, r.name`,
		pair: `SELECT m.rev, m.store, r.name, r.value, r.create_rev, r.mod_rev, r.session
			FROM {meta} m LEFT JOIN {records} r ON r.name >= ? AND r.name < ? OR r.name >= ? AND r.name < ?
			ORDER BY r.create_rev, r.name`,
		changes: `SELECT m.rev, m.pruned, m.store, m.mark, ` + mysqlLife + `, (SELECT max(mark) FROM {changes} WHERE rev = ?),
				c.rev, c.name, c.mark, c.deleted, c.create_rev, c.mod_rev, c.session, r.value, r.name IS NOT NULL
			FROM {meta} m
				LEFT JOIN (SELECT * FROM {changes} WHERE rev > ? OR rev = ? AND name > ? ORDER BY rev, name LIMIT 500) c ON true
				LEFT JOIN {records} r ON c.deleted = 0 AND r.name = c.name AND r.mod_rev = c.rev
			ORDER BY c.rev, c.name`,
	},
	since:   func(rev int64, name string) []any { return []any{rev, rev, rev, name} },
	code:    mysqlCode,
	fault:   mysqlFault,
	create:  mysqlCreate,
	inspect: func(context.Context, *Driver, *sql.Conn) error { return nil },
	apply:   mysqlApply,
	prune:   mysqlPrune,
	end:     mysqlEnd,
}

const (
	// mysqlLife changes when another server takes this one's place.
	mysqlLife = `CONCAT(@@hostname, ':', @@server_id)`
	// mysqlLock takes the lock, and tells the revision before.
	mysqlLock = `SELECT rev, store FROM {meta} FOR UPDATE`
)

const mysqlTables = `CREATE TABLE IF NOT EXISTS {records} (
	name       VARCHAR(1500) CHARACTER SET ascii COLLATE ascii_bin PRIMARY KEY,
	value      LONGBLOB,
	create_rev BIGINT NOT NULL,
	mod_rev    BIGINT NOT NULL,
	session    VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
	INDEX session (session)
) ENGINE = InnoDB;
CREATE TABLE IF NOT EXISTS {sessions} (
	id       VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin PRIMARY KEY,
	ttl_ns   BIGINT NOT NULL,
	renewals BIGINT NOT NULL
) ENGINE = InnoDB;
CREATE TABLE IF NOT EXISTS {changes} (
	rev        BIGINT NOT NULL,
	name       VARCHAR(1500) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
	mark       BIGINT NOT NULL,
	deleted    INTEGER NOT NULL,
	create_rev BIGINT NOT NULL,
	mod_rev    BIGINT NOT NULL,
	session    VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
	PRIMARY KEY (rev, name)
) ENGINE = InnoDB;
CREATE TABLE IF NOT EXISTS {meta} (
	one      INTEGER PRIMARY KEY,
	` + "`schema`" + ` INTEGER NOT NULL,
	store    VARCHAR(64) NOT NULL,
	rev      BIGINT NOT NULL,
	mark     BIGINT NOT NULL,
	pruned   BIGINT NOT NULL
) ENGINE = InnoDB;
INSERT IGNORE INTO {meta} VALUES (1, 1, UUID(), 0, 0, 0);
`

func mysqlCreate(ctx context.Context, d *Driver, c *sql.Conn) error {
	for statement := range strings.SplitSeq(strings.TrimSuffix(strings.TrimSpace(d.cfg.Dialect.DDL(d.cfg.Names)), ";"), ";\n") {
		if _, err := c.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}

// mysqlTx is a transaction that holds the lock.
type mysqlTx struct {
	*sql.Tx
	d     *Driver
	ctx   context.Context
	rev   uint64 // that it takes, if it writes
	store string
	mark  int64
	wrote bool
}

func (t *mysqlTx) do(statement string, args ...any) (int64, error) {
	result, err := t.ExecContext(t.ctx, t.d.cfg.Dialect.tables(t.d.cfg.Names, statement), args...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

func (t *mysqlTx) one(statement string, args []any, into ...any) error {
	return t.QueryRowContext(t.ctx, t.d.cfg.Dialect.tables(t.d.cfg.Names, statement), args...).Scan(into...)
}

// mysqlWithin runs f with the lock, and commits what it did with the next revision.
func mysqlWithin(ctx context.Context, d *Driver, c *sql.Conn, mark int64, f func(*mysqlTx) error) (*mysqlTx, error) {
	tx, err := c.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelReadCommitted})
	if err != nil {
		return nil, err
	}
	t := &mysqlTx{Tx: tx, d: d, ctx: ctx, mark: mark}
	if err = t.one(mysqlLock, nil, &t.rev, &t.store); errors.Is(err, sql.ErrNoRows) {
		err = errNoMeta
	}
	t.rev++
	if err == nil {
		err = f(t)
	}
	if err == nil && t.wrote {
		_, err = t.do(`UPDATE {meta} SET rev = ?, mark = ?`, t.rev, mark)
	}
	if err != nil {
		return nil, errors.Join(err, tx.Rollback())
	}
	return t, tx.Commit()
}

func (t *mysqlTx) log(key string, deleted int, created, modified uint64, session string) error {
	t.wrote = true
	_, err := t.do(`INSERT INTO {changes} (rev, name, mark, deleted, create_rev, mod_rev, session) VALUES (?, ?, ?, ?, ?, ?, ?)`,
		t.rev, key, t.mark, deleted, created, modified, session)
	return err
}

func mysqlApply(ctx context.Context, d *Driver, c *sql.Conn, writes []store.Write, mark int64) (applied, error) {
	outcomes := make([]store.Outcome, len(writes))
	t, err := mysqlWithin(ctx, d, c, mark, func(t *mysqlTx) error {
		for i, w := range writes {
			err := t.apply(w)
			if err != nil && !errors.Is(err, store.ErrConflict) && !errors.Is(err, store.ErrSessionGone) {
				return err
			}
			outcomes[i] = store.Outcome{Rev: t.rev, Err: err}
			if err != nil {
				outcomes[i].Rev = 0
			}
		}
		return nil
	})
	if err != nil {
		return applied{}, err
	}
	return applied{store: t.store, rev: t.rev, outcomes: outcomes}, nil
}

func (t *mysqlTx) apply(w store.Write) error {
	var created, modified uint64
	var session string
	err := t.one(`SELECT create_rev, mod_rev, session FROM {records} WHERE name = ?`, []any{w.Key}, &created, &modified, &session)
	there := err == nil
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	if there == (w.Kind == store.Create) || there && modified != w.If {
		return store.ErrConflict
	}
	if w.Kind == store.Delete {
		if _, err := t.do(`DELETE FROM {records} WHERE name = ?`, w.Key); err != nil {
			return err
		}
		return t.log(w.Key, 1, created, modified, session)
	}
	if w.Session != "" {
		var n int
		if err := t.one(`SELECT count(*) FROM {sessions} WHERE id = ?`, []any{string(w.Session)}, &n); err != nil {
			return err
		}
		if n == 0 {
			return store.ErrSessionGone
		}
	}
	if w.Kind == store.Create {
		created = t.rev
		_, err = t.do(`INSERT INTO {records} (name, value, create_rev, mod_rev, session) VALUES (?, ?, ?, ?, ?)`, w.Key, w.Value, t.rev, t.rev, string(w.Session))
	} else {
		_, err = t.do(`UPDATE {records} SET value = ?, mod_rev = ?, session = ? WHERE name = ?`, w.Value, t.rev, string(w.Session), w.Key)
	}
	if err != nil {
		return err
	}
	return t.log(w.Key, 0, created, t.rev, string(w.Session))
}

func mysqlEnd(ctx context.Context, d *Driver, c *sql.Conn, which ending, mark int64) (bool, error) {
	ended := false
	_, err := mysqlWithin(ctx, d, c, mark, func(t *mysqlTx) error {
		if which.id != "" {
			n, err := t.do(`DELETE FROM {sessions} WHERE id = ?`, string(which.id))
			if err != nil || n == 0 {
				return err
			}
			ended = true
			return t.dropOwned(which.id)
		}
		for id, renewals := range which.due {
			n, err := t.do(`DELETE FROM {sessions} WHERE id = ? AND renewals = ? AND `+mysqlLife+` = ?`, string(id), renewals, which.on)
			if err != nil {
				return err
			}
			if n > 0 {
				ended = true
				if err := t.dropOwned(id); err != nil {
					return err
				}
			}
		}
		return nil
	})
	return ended && err == nil, err
}

// dropOwned deletes what a session owns that was deleted in this transaction.
func (t *mysqlTx) dropOwned(id store.SessionID) error {
	n, err := t.do(`INSERT INTO {changes} (rev, name, mark, deleted, create_rev, mod_rev, session)
		SELECT ?, name, ?, 1, create_rev, mod_rev, session FROM {records} WHERE session = ?`, t.rev, t.mark, string(id))
	if err != nil || n == 0 {
		return err
	}
	t.wrote = true
	_, err = t.do(`DELETE FROM {records} WHERE session = ?`, string(id))
	return err
}

func mysqlPrune(ctx context.Context, d *Driver, c *sql.Conn, rev int64) error {
	_, err := mysqlWithin(ctx, d, c, 0, func(t *mysqlTx) error {
		n, err := t.do(`UPDATE {meta} SET pruned = ? WHERE pruned < ?`, rev, rev)
		if err == nil && n > 0 {
			_, err = t.do(`DELETE FROM {changes} WHERE rev <= ?`, rev)
		}
		return err
	})
	return err
}

// mysqlCode gives the number of an error of the server's. Its client has a field for it, and no
// method.
func mysqlCode(err error) string {
	for ; err != nil; err = errors.Unwrap(err) {
		v := reflect.Indirect(reflect.ValueOf(err))
		if v.Kind() == reflect.Struct {
			if number := v.FieldByName("Number"); number.IsValid() && number.Kind() == reflect.Uint16 {
				return strconv.FormatUint(number.Uint(), 10)
			}
		}
		if many, ok := err.(interface{ Unwrap() []error }); ok && len(many.Unwrap()) > 0 {
			err = fmt.Errorf("%w", many.Unwrap()[0])
		}
	}
	return ""
}

func mysqlFault(code string) fault {
	switch code {
	case "1146": // no such table
		return faultNoTables
	case "1054", "1136":
		return faultNotOurs
	case "1044", "1045", "1142", "1227", "1698":
		return faultUnauthorized
	case "1290", "1836":
		return faultReadOnly
	case "1049":
		return faultNoDatabase
	case "1205", "1213", "1050", "1061", "1020":
		return faultBusy
	case "1053", "1077", "1079", "1927", "3169", "4031": // the server ends, or the connection
		return faultUnknown
	}
	return faultRefused
}
