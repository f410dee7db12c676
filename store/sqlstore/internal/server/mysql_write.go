package server

import (
	"context"
	"database/sql"
	sqldriver "database/sql/driver"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/muster-go/muster/store"
)

// mysqlScripts are the messages that write, for MariaDB and for MySQL. Each is a transaction that first
// takes the lock of the row of meta. All its reads lock what they read: so they see what was committed
// before them, however the transaction is isolated, and never a snapshot from before the wait for the
// lock. What it finds out it keeps in variables of the session, which mean nothing to the next one.
type mysqlScripts struct{ life, begin, end string }

// mysqlMessage is the longest message, in bytes; mysqlPacket, which servers must take, has room for more.
const (
	mysqlMessage = 3 << 20
	mysqlPacket  = 4 << 20
)

// mysqlLock takes the lock. Without a row, or on a server that doesn't write, there is no store, and
// nothing is done.
const mysqlLock = `SET @muster_rev = NULL, @muster_store = NULL, @muster_done = 0, @muster_said = '';
START TRANSACTION;
SELECT rev + 1, store INTO @muster_rev, @muster_store FROM {meta} WHERE one = 1 AND ` + mysqlWritable + ` FOR UPDATE;
`

// mysqlCommit takes the revision if something was done in it.
const mysqlCommit = `UPDATE {meta} SET rev = @muster_rev, mark = %d WHERE one = 1 AND @muster_done > 0;
COMMIT AND NO CHAIN NO RELEASE;
SELECT @muster_store, @muster_rev, @muster_said;
`

// A write may be done if its owner, where it has one, is there.
const (
	mysqlNoOwner = `SET @muster_may = @muster_store IS NOT NULL;
`
	mysqlOwner = `SELECT COUNT(*) INTO @muster_may FROM {sessions} WHERE id = %s AND @muster_store IS NOT NULL LOCK IN SHARE MODE;
`
)

// The writes: 1 is the key, 2 the value, 3 the owner, 4 the revision of the condition, 5 the mark.
const (
	mysqlInsert = `INSERT INTO {records} (name, value, create_rev, mod_rev, session)
	SELECT %[1]s, %[2]s, @muster_rev, @muster_rev, %[3]s FROM DUAL
	WHERE @muster_may > 0 AND NOT EXISTS (SELECT 1 FROM {records} WHERE name = %[1]s FOR UPDATE);
SET @muster_n = ROW_COUNT();
`
	mysqlUpdate = `UPDATE {records} SET value = %[2]s, mod_rev = @muster_rev, session = %[3]s
	WHERE name = %[1]s AND mod_rev = %[4]d AND @muster_may > 0;
SET @muster_n = ROW_COUNT();
`
	mysqlDelete = `INSERT INTO {changes} (rev, name, mark, deleted, create_rev, mod_rev, session)
	SELECT @muster_rev, name, %[5]d, 1, create_rev, mod_rev, session FROM {records}
	WHERE name = %[1]s AND mod_rev = %[4]d AND @muster_may > 0 FOR UPDATE;
SET @muster_n = ROW_COUNT();
DELETE FROM {records} WHERE name = %[1]s AND @muster_n > 0;
`
	// mysqlSay adds what became of a write: done, conflict, or gone, the owner.
	mysqlSay = `SET @muster_done = @muster_done + @muster_n,
	@muster_said = CONCAT(@muster_said, IF(@muster_n > 0, 'd', IF(@muster_may > 0, 'c', 'g')));
`
	// mysqlLogPuts logs what was created and updated of the keys that it is given.
	mysqlLogPuts = `INSERT INTO {changes} (rev, name, mark, deleted, create_rev, mod_rev, session)
	SELECT @muster_rev, name, %d, 0, create_rev, mod_rev, session FROM {records}
	WHERE name IN (%s) AND mod_rev = @muster_rev AND @muster_done > 0 FOR UPDATE;
`
)

// mysqlDrop ends a session, 1, under a condition, 2, with what it owns; 3 is the mark.
const mysqlDrop = `DELETE FROM {sessions} WHERE id = %[1]s AND @muster_store IS NOT NULL%[2]s;
SET @muster_n = ROW_COUNT();
INSERT INTO {changes} (rev, name, mark, deleted, create_rev, mod_rev, session)
	SELECT @muster_rev, name, %[3]d, 1, create_rev, mod_rev, session FROM {records} WHERE session = %[1]s AND @muster_n > 0 FOR UPDATE;
SET @muster_done = @muster_done + ROW_COUNT(), @muster_said = CONCAT(@muster_said, IF(@muster_n > 0, 'd', 'c'));
DELETE FROM {records} WHERE session = %[1]s AND @muster_n > 0;
`

// mysqlForget prunes the change log up to a revision.
const mysqlForget = `UPDATE {meta} SET pruned = %[1]d WHERE one = 1 AND pruned < %[1]d AND @muster_store IS NOT NULL;
SET @muster_n = ROW_COUNT();
DELETE FROM {changes} WHERE rev <= %[1]d AND @muster_n > 0;
`

// said is what a script told.
type said struct {
	store sql.NullString
	rev   sql.Null[uint64]
	each  string // a letter for each write
}

// run sends a script, between the lock and the commit. One that failed is undone, or its connection
// given up, so that no lock stays.
func (s mysqlScripts) run(ctx context.Context, d *Driver, c *sql.Conn, body string, mark int64) (said, error) {
	lock, commit := d.names(mysqlLock), fmt.Sprintf(d.names(mysqlCommit), mark)
	told, err := mysqlQuery(ctx, c, s.begin+lock+body+commit+s.end)
	if err == nil && !told.store.Valid {
		err = errNoMeta
	}
	if err != nil && !d.unsent(err) {
		if _, undoing := c.ExecContext(ctx, "ROLLBACK AND NO CHAIN NO RELEASE"); undoing != nil {
			_ = c.Raw(func(any) error { return sqldriver.ErrBadConn }) // closes it
		}
	}
	return told, err
}

func mysqlQuery(ctx context.Context, c *sql.Conn, script string) (said, error) {
	var told said
	rows, err := c.QueryContext(ctx, script) // without parameters it is sent as it stands
	if err != nil {
		return told, err
	}
	defer func() { _ = rows.Close() }()
	for more := true; more; more = rows.NextResultSet() {
		for rows.Next() {
			if err := rows.Scan(&told.store, &told.rev, &told.each); err != nil {
				return told, err
			}
		}
	}
	return told, rows.Err()
}

// literal writes bytes so that no character of theirs means anything.
func literal[T string | []byte | store.SessionID](b T) string { return fmt.Sprintf("x'%x'", []byte(b)) }

func (s mysqlScripts) apply(ctx context.Context, d *Driver, c *sql.Conn, writes []store.Write, mark int64) (applied, error) {
	a := applied{outcomes: make([]store.Outcome, len(writes))}
	say := newMySQLWords(d, mark)
	for from := 0; from < len(writes); {
		body, n := say.some(writes[from:])
		told, err := s.run(ctx, d, c, body, mark)
		if err == nil && len(told.each) != n {
			err = errNoOutcome
		}
		if err != nil {
			if from == 0 {
				return applied{}, err
			}
			for i := from; i < len(writes); i++ { // the earlier ones are done
				a.outcomes[i] = store.Outcome{Err: d.explain(ctx, "write", true, err)}
			}
			return a, nil
		}
		a.store, a.rev = told.store.String, told.rev.V
		for i, letter := range told.each {
			a.outcomes[from+i] = mysqlOutcome(letter, told.rev.V)
		}
		from += n
	}
	return a, nil
}

func mysqlOutcome(letter rune, rev uint64) store.Outcome {
	switch letter {
	case 'd':
		return store.Outcome{Rev: rev}
	case 'c':
		return store.Outcome{Err: store.ErrConflict}
	}
	return store.Outcome{Err: store.ErrSessionGone}
}

// mysqlWords are the statements of a batch, with the tables' names.
type mysqlWords struct {
	noOwner, owner, say, logPuts string
	kinds                        map[store.WriteKind]string
	mark                         int64
}

func newMySQLWords(d *Driver, mark int64) mysqlWords {
	return mysqlWords{
		noOwner: d.names(mysqlNoOwner), owner: d.names(mysqlOwner), say: d.names(mysqlSay), logPuts: d.names(mysqlLogPuts),
		kinds: map[store.WriteKind]string{store.Create: d.names(mysqlInsert), store.Update: d.names(mysqlUpdate), store.Delete: d.names(mysqlDelete)},
		mark:  mark,
	}
}

// some gives the statements for as many of the writes as a message holds, one at least.
func (m mysqlWords) some(writes []store.Write) (body string, n int) {
	var b strings.Builder
	var puts []string
	said, keys := "", 0
	for _, w := range writes {
		key, may := literal(w.Key), m.noOwner
		if w.Kind != store.Delete && w.Session != "" {
			may = fmt.Sprintf(m.owner, literal(w.Session))
		}
		text := fmt.Sprintf(m.kinds[w.Kind], key, literal(w.Value), literal(w.Session), w.If, m.mark)
		if n > 0 && b.Len()+keys+len(may)+len(text)+len(m.say) > mysqlMessage {
			break
		}
		if may != said { // else it is known
			b.WriteString(may)
			said = may
		}
		b.WriteString(text)
		b.WriteString(m.say)
		if w.Kind != store.Delete {
			puts = append(puts, key)
			keys += len(key) + 1
		}
		n++
	}
	if len(puts) > 0 {
		fmt.Fprintf(&b, m.logPuts, m.mark, strings.Join(puts, ","))
	}
	return b.String(), n
}

func (s mysqlScripts) endSessions(ctx context.Context, d *Driver, c *sql.Conn, which ending, mark int64) (bool, error) {
	drop := d.names(mysqlDrop)
	if which.id != "" {
		told, err := s.run(ctx, d, c, fmt.Sprintf(drop, literal(which.id), "", mark), mark)
		return strings.Contains(told.each, "d"), err
	}
	var body strings.Builder
	fmt.Fprintf(&body, "SET @muster_same = %s = %s;\n", s.life, literal(which.on))
	for _, id := range slices.Sorted(maps.Keys(which.due)) {
		fmt.Fprintf(&body, drop, literal(id), fmt.Sprintf(" AND renewals = %d AND @muster_same", which.due[id]), mark)
	}
	told, err := s.run(ctx, d, c, body.String(), mark)
	return strings.Contains(told.each, "d"), err
}

func (s mysqlScripts) prune(ctx context.Context, d *Driver, c *sql.Conn, rev int64) error {
	_, err := s.run(ctx, d, c, fmt.Sprintf(d.names(mysqlForget), rev), 0)
	return err
}
