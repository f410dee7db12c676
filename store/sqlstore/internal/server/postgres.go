package server

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/muster-go/muster/store"
)

// PostgreSQL is the dialect of PostgreSQL 12 and newer. Each write is one message to the server, which
// does it to the end by itself: no lock is ever held while a client is waited for.
var PostgreSQL = &Dialect{
	Name:  "PostgreSQL",
	quote: `"`,
	schema: func(n Names) string {
		if n.Schema == "" {
			return postgresTables
		}
		return "CREATE SCHEMA IF NOT EXISTS {schema};\n" + postgresTables
	},
	statements: statements{
		meta:     `SELECT schema, store, rev, mark, ` + postgresLife + `, CASE WHEN pg_is_in_recovery() OR current_setting('transaction_read_only') = 'on' THEN 0 ELSE 1 END FROM {meta} WHERE one = 1`,
		grant:    `INSERT INTO {sessions} (id, ttl_ns, renewals) VALUES ($1, $2, 0)`,
		renew:    `UPDATE {sessions} SET renewals = renewals + 1 WHERE id = $1`,
		sessions: `SELECT id, ttl_ns, renewals FROM {sessions} WHERE NOT pg_is_in_recovery()`,
		owned: `SELECT m.rev, m.store, r.name, r.value, r.create_rev, r.mod_rev, r.session
			FROM {meta} m LEFT JOIN {records} r ON r.session = $1 AND r.session <> '' WHERE m.one = 1 AND NOT pg_is_in_recovery()`,
		list: `SELECT m.rev, m.store, r.name, r.value, r.create_rev, r.mod_rev, r.session
			FROM {meta} m LEFT JOIN {records} r ON r.name >= $1 AND r.name < $2
			WHERE m.one = 1 AND NOT pg_is_in_recovery() ORDER BY r.create_rev, r.name`,
		pair: `SELECT m.rev, m.store, r.name, r.value, r.create_rev, r.mod_rev, r.session
			FROM {meta} m LEFT JOIN {records} r ON r.name >= $1 AND r.name < $2 OR r.name >= $3 AND r.name < $4
			WHERE m.one = 1 AND NOT pg_is_in_recovery() ORDER BY r.create_rev, r.name`,
		changes: `SELECT m.rev, m.pruned, m.store, m.mark, ` + postgresLife + `, (SELECT max(mark) FROM {changes} WHERE rev = $1),
				c.rev, c.name, c.mark, c.deleted, c.create_rev, c.mod_rev, c.session, r.value, r.name IS NOT NULL
			FROM {meta} m
				LEFT JOIN (SELECT * FROM {changes} WHERE (rev, name) > ($1, $2) ORDER BY rev, name LIMIT 500) c ON true
				LEFT JOIN {records} r ON c.deleted = 0 AND r.name = c.name AND r.mod_rev = c.rev
			WHERE m.one = 1 AND NOT pg_is_in_recovery() ORDER BY c.rev, c.name`,
		write:  postgresWrite,
		notify: `SELECT pg_notify($1::text, '')`,
	},
	since:   func(rev int64, name string) []any { return []any{rev, name} },
	code:    sqlState,
	create:  postgresCreate,
	fault:   postgresFault,
	inspect: postgresInspect,
	allowed: postgresAllowed,
	apply:   postgresApply,
	prune:   postgresPrune,
	end:     postgresEnd,
}

// postgresLife changes when the server is restarted, or another takes its place.
const postgresLife = `extract(epoch FROM pg_postmaster_start_time())::text`

// The rows of meta and of sessions are written again and again: there is room for their next versions
// beside them.
const postgresTables = `CREATE TABLE IF NOT EXISTS {records} (
	name       TEXT COLLATE "C" PRIMARY KEY,
	value      BYTEA,
	create_rev BIGINT NOT NULL,
	mod_rev    BIGINT NOT NULL,
	session    TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS {records_session} ON {records} (session) WHERE session <> '';
CREATE TABLE IF NOT EXISTS {sessions} (
	id       TEXT PRIMARY KEY,
	ttl_ns   BIGINT NOT NULL,
	renewals BIGINT NOT NULL
) WITH (fillfactor = 30);
CREATE TABLE IF NOT EXISTS {changes} (
	rev        BIGINT NOT NULL,
	name       TEXT COLLATE "C" NOT NULL,
	mark       BIGINT NOT NULL,
	deleted    INTEGER NOT NULL,
	create_rev BIGINT NOT NULL,
	mod_rev    BIGINT NOT NULL,
	session    TEXT NOT NULL,
	PRIMARY KEY (rev, name)
);
CREATE TABLE IF NOT EXISTS {meta} (
	one    INTEGER PRIMARY KEY CHECK (one = 1),
	schema INTEGER NOT NULL,
	store  TEXT NOT NULL,
	rev    BIGINT NOT NULL,
	mark   BIGINT NOT NULL,
	pruned BIGINT NOT NULL
) WITH (fillfactor = 10);
INSERT INTO {meta} (one, schema, store, rev, mark, pruned)
	VALUES (1, 1, upper(md5(random()::text || clock_timestamp()::text || pg_backend_pid()::text)), 0, 0, 0) ON CONFLICT DO NOTHING;
`

// postgresCreate makes the tables in one message, and so in one transaction.
func postgresCreate(ctx context.Context, d *Driver, c *sql.Conn) error {
	names := d.cfg.Names
	if names.Schema != "" { // to make one that is there takes rights that need not be
		var missing bool
		if err := c.QueryRowContext(ctx, `SELECT to_regnamespace($1) IS NULL`, names.Schema).Scan(&missing); err != nil {
			return err
		}
		if missing {
			_, err := c.ExecContext(ctx, d.cfg.Dialect.DDL(names))
			return err
		}
	}
	_, err := c.ExecContext(ctx, d.cfg.Dialect.tables(names, postgresTables))
	return err
}

// postgresWrite does a batch in one statement. All its parts see the store as it was when it began,
// before it waited for the lock; but what they decide by is looked at again as it is after the wait:
// the rows that are locked (FOR …), updated or deleted, and the index in which a key is inserted.
// Everything hangs on m, so that the lock is taken first. ("one = 1" tells the planner that meta has one
// row, however many old versions of it lie about: else it plans for millions, and compiles for seconds;
// LIMIT tells it how many writes there are.)
const postgresWrite = `WITH m AS MATERIALIZED (
	SELECT rev + 1 AS rev, store FROM {meta} WHERE one = 1 FOR UPDATE
), w AS MATERIALIZED (
	SELECT m.rev, x.kind, x.name, x.cond, decode(x.value, 'base64') AS value, x.session
	FROM m, jsonb_to_recordset($1::jsonb) AS x(kind int, name text, cond bigint, value text, session text)
	LIMIT $4
), s AS MATERIALIZED (
	SELECT id FROM {sessions} WHERE id IN (SELECT session FROM w WHERE session <> '') FOR KEY SHARE
), ok AS MATERIALIZED (
	SELECT w.* FROM w WHERE session = '' OR session IN (SELECT id FROM s)
), created AS (
	INSERT INTO {records} AS r (name, value, create_rev, mod_rev, session)
	SELECT name, value, rev, rev, session FROM ok WHERE kind = 1
	ON CONFLICT (name) DO NOTHING RETURNING r.name, r.create_rev, r.mod_rev, r.session
), updated AS (
	UPDATE {records} r SET value = ok.value, mod_rev = ok.rev, session = ok.session FROM ok
	WHERE ok.kind = 2 AND r.name = ok.name AND r.mod_rev = ok.cond RETURNING r.name, r.create_rev, r.mod_rev, r.session
), deleted AS (
	DELETE FROM {records} r USING ok
	WHERE ok.kind = 3 AND r.name = ok.name AND r.mod_rev = ok.cond RETURNING r.name, r.create_rev, r.mod_rev, r.session
), done AS (
	SELECT 0 AS deleted, * FROM created UNION ALL SELECT 0, * FROM updated UNION ALL SELECT 1, * FROM deleted
), logged AS (
	INSERT INTO {changes} (rev, name, mark, deleted, create_rev, mod_rev, session)
	SELECT m.rev, d.name, $2::bigint, d.deleted, d.create_rev, d.mod_rev, d.session FROM m, done d
), bumped AS (
	UPDATE {meta} SET rev = rev + 1, mark = $2::bigint WHERE one = 1 AND EXISTS (SELECT FROM done) RETURNING pg_notify($3::text, '')
)
SELECT m.rev, m.store, w.name, w.session = '' OR w.session IN (SELECT id FROM s), d.name IS NOT NULL
FROM m, w LEFT JOIN done d ON d.name = w.name`

// postgresItem is a write as the statement takes it.
type postgresItem struct {
	Kind    int    `json:"kind"`
	Name    string `json:"name"`
	Cond    uint64 `json:"cond"`
	Value   []byte `json:"value"` // in base64
	Session string `json:"session"`
}

func postgresApply(ctx context.Context, d *Driver, c *sql.Conn, writes []store.Write, mark int64) (applied, error) {
	items := make([]postgresItem, len(writes))
	place := make(map[string]int, len(writes))
	for i, w := range writes {
		items[i] = postgresItem{Kind: int(w.Kind), Name: w.Key, Cond: w.If}
		if w.Kind != store.Delete {
			items[i].Value, items[i].Session = w.Value, string(w.Session)
		}
		place[w.Key] = i
	}
	batch, err := json.Marshal(items)
	if err != nil {
		return applied{}, err
	}
	rows, err := c.QueryContext(ctx, d.sql.write, string(batch), mark, d.channel(), len(writes))
	if err != nil {
		return applied{}, err
	}
	defer func() { _ = rows.Close() }()
	a := applied{outcomes: make([]store.Outcome, len(writes))}
	for i := range a.outcomes {
		a.outcomes[i].Err = errNoOutcome
	}
	for rows.Next() {
		var name string
		var owner, done bool
		if err := rows.Scan(&a.rev, &a.store, &name, &owner, &done); err != nil {
			return applied{}, err
		}
		o := store.Outcome{Rev: a.rev}
		switch {
		case done:
		case !owner:
			o = store.Outcome{Err: store.ErrSessionGone}
		default:
			o = store.Outcome{Err: store.ErrConflict}
		}
		a.outcomes[place[name]] = o
	}
	if err := rows.Err(); err != nil {
		return applied{}, err
	}
	if a.store == "" {
		return applied{}, errNoMeta
	}
	return a, rows.Close()
}

// postgresEnding ends sessions. Its statements are one message, and so one transaction, in which each
// sees what was committed before itself: the records that a session owns are looked for under the lock.
const postgresEnding = `SELECT 1 FROM {meta} WHERE one = 1 AND EXISTS (SELECT FROM {sessions} s WHERE %[1]s) FOR UPDATE;
WITH gone AS (
	DELETE FROM {sessions} s WHERE %[1]s RETURNING id
), deleted AS (
	DELETE FROM {records} r USING gone WHERE r.session = gone.id AND r.session <> '' RETURNING r.name, r.create_rev, r.mod_rev, r.session
), logged AS (
	INSERT INTO {changes} (rev, name, mark, deleted, create_rev, mod_rev, session)
	SELECT m.rev + 1, d.name, %[2]d, 1, d.create_rev, d.mod_rev, d.session FROM {meta} m, deleted d WHERE m.one = 1
)
UPDATE {meta} SET rev = rev + 1, mark = %[2]d WHERE one = 1 AND EXISTS (SELECT FROM deleted) RETURNING pg_notify('%[3]s', '');
`

func postgresEnd(ctx context.Context, d *Driver, c *sql.Conn, which ending, mark int64) (bool, error) {
	condition := fmt.Sprintf("s.id = '%s'", which.id)
	if which.id == "" {
		var pairs []string
		for id, renewals := range which.due {
			pairs = append(pairs, fmt.Sprintf("('%s', %d)", id, renewals))
		}
		slices.Sort(pairs)
		condition = fmt.Sprintf("(s.id, s.renewals) IN (%s) AND %s = '%s'", strings.Join(pairs, ", "), postgresLife, which.on)
	}
	message := fmt.Sprintf(d.cfg.Dialect.tables(d.cfg.Names, postgresEnding), condition, mark, d.channel())
	_, err := c.ExecContext(ctx, message) // without parameters it is sent as it stands
	return err == nil, err
}

func postgresPrune(ctx context.Context, d *Driver, c *sql.Conn, rev int64) error {
	_, err := c.ExecContext(ctx, d.cfg.Dialect.tables(d.cfg.Names, `WITH p AS (UPDATE {meta} SET pruned = $1 WHERE one = 1 AND pruned < $1 RETURNING pruned)
		DELETE FROM {changes} WHERE rev <= (SELECT pruned FROM p)`), rev)
	return err
}

// postgresInspect refuses a server that may forget what it said was done: an observer could end a
// session whose renewal was acknowledged.
func postgresInspect(ctx context.Context, d *Driver, c *sql.Conn) error {
	var synchronous, fsync, user string
	err := c.QueryRowContext(ctx, `SELECT current_setting('synchronous_commit'), current_setting('fsync'), current_user::text`).Scan(&synchronous, &fsync, &user)
	if err != nil {
		return err
	}
	if synchronous == "off" {
		return fmt.Errorf("%s: synchronous_commit is off, so that a crash takes back what was done: let an administrator say ALTER ROLE %q SET synchronous_commit = on: %w", d.cfg.Name, user, store.ErrInvalid)
	}
	if fsync != "on" {
		d.cfg.Logger.Warn("PostgreSQL's fsync is off: after a crash of its machine the store may be damaged, and two may lead", "store", d.cfg.Name)
	}
	return nil
}

func postgresAllowed(ctx context.Context, d *Driver, c *sql.Conn) error {
	var user string
	var allowed bool
	err := c.QueryRowContext(ctx, d.cfg.Dialect.tables(d.cfg.Names, `SELECT current_user::text, bool_and(has_table_privilege(name, right_to))
		FROM unnest(ARRAY['{meta}', '{records}', '{sessions}', '{changes}']) AS name, unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS right_to`)).Scan(&user, &allowed)
	if err == nil && !allowed {
		err = fmt.Errorf("%s: user %q lacks rights on the tables: let their owner say GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO %q: %w", d.cfg.Name, user,
			d.cfg.Dialect.tables(d.cfg.Names, "{meta}, {records}, {sessions}, {changes}"), user, store.ErrUnauthorized)
	}
	return err
}

// sqlState gives the code that clients give an error of the server's.
func sqlState(err error) string {
	if e, ok := errors.AsType[interface {
		error
		SQLState() string
	}](err); ok {
		return e.SQLState()
	}
	return ""
}

// postgresFault goes by the classes of PostgreSQL's error codes. An error that ends the connection may
// come after the commit, and so may a cancellation, which the server heeds also while it logs what it did;
// any other undoes the statement.
func postgresFault(code string) fault {
	switch code {
	case "42P01", "3F000": // undefined table, schema
		return faultNoTables
	case "42703", "42804", "42883": // undefined column, wrong types
		return faultNotOurs
	case "42501":
		return faultUnauthorized
	case "25006":
		return faultReadOnly
	case "3D000":
		return faultNoDatabase
	case "40001", "40P01", "55P03", "42P07", "42710", "42P06", "23505":
		return faultBusy
	}
	switch {
	case strings.HasPrefix(code, "28"):
		return faultUnauthorized
	case code == "57014", code == "25P03", code == "25P04",
		strings.HasPrefix(code, "57P"), strings.HasPrefix(code, "08"), strings.HasPrefix(code, "58"), strings.HasPrefix(code, "XX"):
		return faultUnknown
	}
	return faultRefused
}
