package server

import (
	"context"
	"database/sql"
	"fmt"
	"strconv"
	"strings"

	"github.com/muster-go/muster/store"
)

// inspect refuses a server, or a handle, on which what was said to be done could be undone, or could be
// unseen.
func (s mysqlScripts) inspect(ctx context.Context, d *Driver, c *sql.Conn) error {
	refuse := func(format string, args ...any) error {
		return fmt.Errorf("%s: %s: %w", d.cfg.Name, fmt.Sprintf(format, args...), store.ErrInvalid)
	}
	if s.begin == "" {
		_, err := c.ExecContext(ctx, "SET @muster_n = 0; SET @muster_n = 1")
		if d.cfg.Dialect.code(err) == "1064" { // a fault of grammar
			return refuse("the handle doesn't allow several statements in one message, without which a lock could be held while a client is waited for: make it with multiStatements")
		}
		if err != nil {
			return err
		}
	}
	set, err := mysqlSettings(ctx, c)
	if err != nil {
		return err
	}
	on := func(name string) bool { return set[name] == "ON" || set[name] == "1" }
	packet, _ := strconv.Atoi(set["max_allowed_packet"])
	major, minor := mysqlVersion(set["version"])
	maria := strings.Contains(set["version"], "MariaDB")
	switch {
	case maria && (major < 10 || major == 10 && minor < 5), !maria && major < 8:
		return refuse("its version is %s: use MariaDB 10.5 or newer, or MySQL 8 or newer", set["version"])
	case on("wsrep_on"):
		return refuse("it is a node of a Galera cluster, where a read at one node may miss what another has committed: use a server that isn't (wsrep_on)")
	case set["group_replication_group_name"] != "" && !on("group_replication_single_primary_mode"):
		return refuse("it belongs to a group with several primaries, where a read at one may miss what another has committed: use a single primary (group_replication_single_primary_mode)")
	case !on("autocommit"):
		return refuse("its connections begin with autocommit off, so that nothing is kept: take that out of the handle's parameters, or of the server's settings (autocommit, init_connect)")
	case set["transaction_isolation"] == "READ-UNCOMMITTED" || set["tx_isolation"] == "READ-UNCOMMITTED":
		return refuse("its connections read what isn't committed: take that out of the handle's parameters, or of the server's settings (transaction_isolation)")
	case strings.Contains(set["sql_mode"], "ORACLE"):
		return refuse("its connections speak Oracle's language: take that out of the handle's parameters, or of the server's settings (sql_mode)")
	case on("log_bin") && set["binlog_format"] == "STATEMENT":
		return refuse("its binary log tells replicas the statements, which may do something else there: let an administrator say SET GLOBAL binlog_format = 'ROW', and write it to the server's configuration")
	case set["innodb_flush_log_at_trx_commit"] == "0":
		return refuse("a crash takes back what was done in the second before: let an administrator say SET GLOBAL innodb_flush_log_at_trx_commit = 1, and write it to the server's configuration")
	case packet < mysqlPacket:
		return refuse("it takes messages of %d bytes at most: let an administrator set max_allowed_packet to %d or more", packet, mysqlPacket)
	}
	for name, safe := range map[string]string{"innodb_flush_log_at_trx_commit": "1", "sync_binlog": "1"} {
		if name == "sync_binlog" && !on("log_bin") || set[name] == safe || set[name] == "3" {
			continue
		}
		d.cfg.Logger.Warn("after a crash of the database server's machine the latest commits may be lost, and two may lead: set it to "+safe,
			"store", d.cfg.Name, "setting", name, "value", set[name])
	}
	return nil
}

// mysqlAllowed does, to no row, each thing that a store does to its tables.
func mysqlAllowed(ctx context.Context, d *Driver, c *sql.Conn) error {
	for _, statement := range []string{
		"UPDATE {meta} SET rev = rev WHERE FALSE",
		"INSERT INTO {records} SELECT * FROM {records} WHERE FALSE", "UPDATE {records} SET value = value WHERE FALSE", "DELETE FROM {records} WHERE FALSE",
		"INSERT INTO {sessions} SELECT * FROM {sessions} WHERE FALSE", "UPDATE {sessions} SET renewals = renewals WHERE FALSE", "DELETE FROM {sessions} WHERE FALSE",
		"INSERT INTO {changes} SELECT * FROM {changes} WHERE FALSE", "DELETE FROM {changes} WHERE FALSE",
	} {
		if _, err := c.ExecContext(ctx, d.names(statement)); err != nil {
			return err
		}
	}
	return nil
}

// mysqlSettings reads those that matter, as they hold for this connection.
func mysqlSettings(ctx context.Context, c *sql.Conn) (map[string]string, error) {
	rows, err := c.QueryContext(ctx, `SHOW VARIABLES WHERE Variable_name IN ('version', 'autocommit', 'sql_mode', 'transaction_isolation', 'tx_isolation',
		'innodb_flush_log_at_trx_commit', 'log_bin', 'binlog_format', 'sync_binlog', 'max_allowed_packet', 'wsrep_on',
		'group_replication_group_name', 'group_replication_single_primary_mode')`)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	set := map[string]string{}
	for rows.Next() {
		var name, value string
		if err := rows.Scan(&name, &value); err != nil {
			return nil, err
		}
		set[strings.ToLower(name)] = strings.ToUpper(value)
		if name == "version" {
			set[name] = value
		}
	}
	return set, rows.Err()
}

func mysqlVersion(version string) (major, minor int) {
	_, _ = fmt.Sscanf(version, "%d.%d", &major, &minor)
	return major, minor
}
