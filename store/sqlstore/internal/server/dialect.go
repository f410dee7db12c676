package server

import (
	"context"
	"database/sql"
	"strings"

	"github.com/muster-go/muster/store"
)

// Dialect is what differs between kinds of servers.
type Dialect struct {
	// Name is what messages call the server.
	Name string

	quote      string             // around a table's name
	schema     func(Names) string // the statements that make the tables; doing them again changes nothing
	statements statements
	since      func(rev int64, name string) []any // the parameters of statements.changes
	code       func(error) string                 // the server's own code of an error; empty: the error is none of the server's
	fault      func(code string) fault
	// create makes the tables.
	create func(ctx context.Context, d *Driver, c *sql.Conn) error
	// inspect refuses a server whose settings break promises.
	inspect func(ctx context.Context, d *Driver, c *sql.Conn) error
	// allowed refuses a user who lacks rights on the tables; nil: that shows with the first request.
	allowed func(ctx context.Context, d *Driver, c *sql.Conn) error
	// apply does a batch of writes, of which it says what became of each, in one transaction.
	apply func(ctx context.Context, d *Driver, c *sql.Conn, writes []store.Write, mark int64) (applied, error)
	// prune forgets the changes up to a revision, unless somebody did.
	prune func(ctx context.Context, d *Driver, c *sql.Conn, rev int64) error
	// end ends sessions, with what they own, in one transaction, and tells whether any was there.
	end func(ctx context.Context, d *Driver, c *sql.Conn, which ending, mark int64) (bool, error)
}

// statements are the SQL that the dialects have in common but for its spelling. {meta}, {records},
// {sessions} and {changes} stand for the tables.
type statements struct {
	meta     string // → schema, store, rev, mark, life; of a server that may write
	writable string // → 0 on a server that doesn't write; empty: there grant and renew fail
	grant    string // id, ttl → 1 row; none on a server that doesn't write
	renew    string // id → 1 row, or none
	sessions string // → id, ttl, renewals
	owned    string // id → records
	list     string // from, to → rev, store, and records or null
	pair     string // from, to, from, to → the same
	changes  string // see since → see changes
	write    string // the dialect's own
	notify   string // channel; empty: there are no notices
}

// ending says which sessions to end.
type ending struct {
	id  store.SessionID           // this one, whatever its renewal number
	due map[store.SessionID]int64 // or those whose renewal numbers are still these,
	on  string                    // in this life of the server
}

// applied is what became of a batch.
type applied struct {
	store    string
	rev      uint64
	outcomes []store.Outcome
}

// fault is what an error of the server's means.
type fault int

const (
	faultRefused      fault = iota // the statement failed: nothing was done
	faultUnknown                   // it may have been done
	faultNoTables                  // there are no tables
	faultNotOurs                   // the tables are somebody else's
	faultUnauthorized              // the user may not do that, or isn't who he says
	faultReadOnly                  // the server doesn't write
	faultBusy                      // try again
	faultNoDatabase                // the database doesn't exist
)

// tables puts the tables' names into a statement.
func (d *Dialect) tables(n Names, sql string) string {
	quote := func(name string) string { return d.quote + name + d.quote }
	in := ""
	if n.Schema != "" {
		in = quote(n.Schema) + "."
	}
	r := strings.NewReplacer(
		"{schema}", quote(n.Schema),
		"{meta}", in+quote(n.Prefix+"meta"),
		"{records}", in+quote(n.Prefix+"records"),
		"{records_session}", quote(n.Prefix+"records_session"),
		"{sessions}", in+quote(n.Prefix+"sessions"),
		"{changes}", in+quote(n.Prefix+"changes"),
	)
	return r.Replace(sql)
}

func (s statements) with(f func(string) string) statements {
	return statements{
		meta: f(s.meta), writable: f(s.writable), grant: f(s.grant), renew: f(s.renew), sessions: f(s.sessions), owned: f(s.owned),
		list: f(s.list), pair: f(s.pair), changes: f(s.changes), notify: f(s.notify), write: f(s.write),
	}
}

// DDL gives the statements that make the tables, for somebody who may.
func (d *Dialect) DDL(n Names) string {
	if n.Prefix == "" {
		n.Prefix = DefaultPrefix
	}
	return d.tables(n, d.schema(n))
}
