package server

import (
	"context"
	"database/sql"
	"errors"
	"reflect"
	"strconv"
	"strings"
)

// MariaDB is the dialect of MariaDB 10.5 and newer. Each write is one message to the server, a compound
// statement that undoes what it did if it fails: no lock is ever held while a client is waited for.
var MariaDB = mysqlDialect("MariaDB", mariadbLife,
	"BEGIN NOT ATOMIC\nDECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN ROLLBACK AND NO CHAIN NO RELEASE; RESIGNAL; END;\n", "END")

// MySQL is the dialect of MySQL 8 and newer. Each write is one message of several statements, which the
// handle must allow (the client's multiStatements). Who finds that one of them failed undoes the others
// with another message; should he die before, the server does it when it finds the connection broken.
var MySQL = mysqlDialect("MySQL", mysqlLife, "", "")

// Both lives change when the server is restarted, or another takes its place. The difference of the two
// times is the second in which the server started, however its clock is set: both are counted from the
// beginning of the statement. MariaDB's way to tell it costs more than all the rest of a poll, so each
// connection remembers it: none outlives its server.
const (
	mariadbLife = `COALESCE(@muster_life, @muster_life := (SELECT CONCAT_WS('/', @@hostname, @@server_id, CAST(UNIX_TIMESTAMP() - variable_value AS INTEGER))
		FROM information_schema.session_status WHERE variable_name = 'UPTIME'))`
	mysqlLife = `(SELECT CONCAT_WS('/', @@server_uuid, MAX(CAST(UNIX_TIMESTAMP() - variable_value AS SIGNED)))
		FROM performance_schema.session_status WHERE variable_name = 'Uptime')`
)

// mysqlWritable is false on a replica, at least on one that is set up as it should be. Newer servers give
// the setting a name in place of a number.
const mysqlWritable = `CAST(@@global.read_only AS CHAR) IN ('0', 'OFF')`

// mysqlDialect makes a dialect; begin and end stand around the statements of each message that writes.
func mysqlDialect(name, life, begin, end string) *Dialect {
	s := mysqlScripts{life: life, begin: begin, end: end}
	return &Dialect{
		Name:   name,
		quote:  "`",
		schema: func(Names) string { return mysqlTables },
		statements: statements{
			meta:     "SELECT `schema`, store, rev, mark, " + life + `, ` + mysqlWritable + ` FROM {meta} WHERE one = 1`,
			writable: `SELECT ` + mysqlWritable,
			// Some users may write where others may not (READ ONLY ADMIN, SUPER).
			grant:    `INSERT INTO {sessions} (id, ttl_ns, renewals) SELECT ?, ?, 0 FROM DUAL WHERE ` + mysqlWritable,
			renew:    `UPDATE {sessions} SET renewals = renewals + 1 WHERE id = ? AND ` + mysqlWritable,
			sessions: `SELECT id, ttl_ns, renewals FROM {sessions} WHERE ` + mysqlWritable,
			owned: `SELECT m.rev, m.store, r.name, r.value, r.create_rev, r.mod_rev, r.session
				FROM {meta} m LEFT JOIN {records} r ON r.session = ? AND r.session <> '' WHERE m.one = 1 AND ` + mysqlWritable,
			list: `SELECT m.rev, m.store, r.name, r.value, r.create_rev, r.mod_rev, r.session
				FROM {meta} m LEFT JOIN {records} r ON r.name >= ? AND r.name < ?
				WHERE m.one = 1 AND ` + mysqlWritable + ` ORDER BY r.create_rev, r.name`,
			pair: `SELECT m.rev, m.store, r.name, r.value, r.create_rev, r.mod_rev, r.session
				FROM {meta} m LEFT JOIN {records} r ON r.name >= ? AND r.name < ? OR r.name >= ? AND r.name < ?
				WHERE m.one = 1 AND ` + mysqlWritable + ` ORDER BY r.create_rev, r.name`,
			changes: `SELECT m.rev, m.pruned, m.store, m.mark, ` + life + `, (SELECT MAX(mark) FROM {changes} WHERE rev = ?),
					c.rev, c.name, c.mark, c.deleted, c.create_rev, c.mod_rev, c.session, r.value, r.name IS NOT NULL
				FROM {meta} m
					LEFT JOIN (SELECT * FROM {changes} WHERE rev > ? OR rev = ? AND name > ? ORDER BY rev, name LIMIT 500) c ON true
					LEFT JOIN {records} r ON c.deleted = 0 AND r.name = c.name AND r.mod_rev = c.rev
				WHERE m.one = 1 AND ` + mysqlWritable + ` ORDER BY c.rev, c.name`,
		},
		since:   func(rev int64, name string) []any { return []any{rev, rev, rev, name} },
		code:    mysqlCode,
		fault:   mysqlFault,
		create:  mysqlCreate,
		inspect: s.inspect,
		allowed: mysqlAllowed,
		apply:   s.apply,
		prune:   s.prune,
		end:     s.endSessions,
	}
}

// The names are compared byte by byte, and are as long as an index of InnoDB's takes.
const mysqlTables = `CREATE TABLE IF NOT EXISTS {records} (
	name       VARBINARY(1500) PRIMARY KEY,
	value      LONGBLOB,
	create_rev BIGINT NOT NULL,
	mod_rev    BIGINT NOT NULL,
	session    VARBINARY(64) NOT NULL,
	INDEX session (session)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC;
CREATE TABLE IF NOT EXISTS {sessions} (
	id       VARBINARY(64) PRIMARY KEY,
	ttl_ns   BIGINT NOT NULL,
	renewals BIGINT NOT NULL
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC;
CREATE TABLE IF NOT EXISTS {changes} (
	rev        BIGINT NOT NULL,
	name       VARBINARY(1500) NOT NULL,
	mark       BIGINT NOT NULL,
	deleted    INTEGER NOT NULL,
	create_rev BIGINT NOT NULL,
	mod_rev    BIGINT NOT NULL,
	session    VARBINARY(64) NOT NULL,
	PRIMARY KEY (rev, name)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC;
CREATE TABLE IF NOT EXISTS {meta} (
	one      INTEGER PRIMARY KEY,
	` + "`schema`" + ` INTEGER NOT NULL,
	store    VARBINARY(64) NOT NULL,
	rev      BIGINT NOT NULL,
	mark     BIGINT NOT NULL,
	pruned   BIGINT NOT NULL
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC;
INSERT IGNORE INTO {meta} VALUES (1, 1, MD5(CONCAT(UUID(), RAND())), 0, 0, 0);
`

func mysqlCreate(ctx context.Context, d *Driver, c *sql.Conn) error {
	for statement := range strings.SplitSeq(strings.TrimSuffix(strings.TrimSpace(d.cfg.Dialect.DDL(d.cfg.Names)), ";"), ";\n") {
		if _, err := c.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}

// mysqlCode gives the number of an error of the server's. Its client has a field for it, and no
// method.
func mysqlCode(err error) string {
	if err == nil {
		return ""
	}
	if v := reflect.Indirect(reflect.ValueOf(err)); v.Kind() == reflect.Struct {
		if number := v.FieldByName("Number"); number.IsValid() && number.Kind() == reflect.Uint16 {
			return strconv.FormatUint(number.Uint(), 10)
		}
	}
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		for _, err := range many.Unwrap() {
			if code := mysqlCode(err); code != "" {
				return code
			}
		}
	}
	return mysqlCode(errors.Unwrap(err))
}

// mysqlFault goes by the servers' error numbers. Those that are named come before the commit, and all is
// undone. Any other may come in it or after it, as do those of a server or a connection that ends, of a
// statement that is killed, and of a disk or a cluster that fails the commit.
func mysqlFault(code string) fault {
	switch code {
	case "1146": // no such table
		return faultNoTables
	case "1054", "1136", "1347", "1356": // other columns, a view
		return faultNotOurs
	case "1044", "1045", "1130", "1142", "1143", "1227", "1370", "1410", "1698", "1820", "1862", "3118", "4151":
		return faultUnauthorized
	case "1290", "1792", "1836": // read only: the server, the transaction, InnoDB
		return faultReadOnly
	case "1049":
		return faultNoDatabase
	case "1040", "1203", "1226", // too many connections
		"1205", "1213", "1020", // a lock wait, a deadlock, a row that changed since it was seen
		"1007", "1050", "1061", "1062", "1684": // who makes the tables was second
		return faultBusy
	case "1064", "1149", "1295", "1305", // a statement that the server doesn't know
		"1048", "1118", "1153", "1264", "1292", "1366", "1406", // a value that doesn't fit
		"1099", "1100", "1114", "1223": // a table that is locked or full
		return faultRefused
	}
	return faultUnknown
}
