package sqlstore

// The database, and every statement on it. All other files speak SQL through these constants.

const (
	applicationID = 0x4d757374 // "Must": marks a database as ours in its header
	schemaVersion = 1

	// changesKept is how many of the newest commits the change log holds, give or take pruneEvery.
	changesKept = 8192
	pruneEvery  = 256
)

var sqliteSchema = []string{
	// proven is the identity of the file whose creator proved that nobody living has an older one;
	// empty once it was told, or if there was no proof.
	`CREATE TABLE meta (
		one    INTEGER PRIMARY KEY CHECK (one = 1),
		schema INTEGER NOT NULL,
		store  TEXT NOT NULL,
		rev    INTEGER NOT NULL,
		pruned INTEGER NOT NULL,
		proven TEXT NOT NULL
	)`,
	`CREATE TABLE records (
		key        TEXT PRIMARY KEY,
		value      BLOB,
		create_rev INTEGER NOT NULL,
		mod_rev    INTEGER NOT NULL,
		session    TEXT NOT NULL
	)`,
	`CREATE INDEX records_session ON records (session) WHERE session <> ''`,
	`CREATE TABLE sessions (
		id       TEXT PRIMARY KEY,
		ttl_ns   INTEGER NOT NULL,
		renewals INTEGER NOT NULL
	)`,
	// The value of a put isn't kept here: a watch takes it from the record, if that still has it.
	`CREATE TABLE changes (
		rev        INTEGER PRIMARY KEY,
		key        TEXT NOT NULL,
		deleted    INTEGER NOT NULL,
		create_rev INTEGER NOT NULL,
		mod_rev    INTEGER NOT NULL,
		session    TEXT NOT NULL
	)`,
	`PRAGMA application_id = 1299542900`,
}

const (
	sqlBegin    = `BEGIN IMMEDIATE` // never a deferred read-then-write: that can fail half-way
	sqlCommit   = `COMMIT`
	sqlRollback = `ROLLBACK`

	sqlApplication = `PRAGMA application_id`
	sqlTables      = `SELECT count(*) FROM sqlite_master`
	sqlWAL         = `PRAGMA journal_mode = WAL`
	sqlCheckpoint  = `PRAGMA wal_checkpoint(PASSIVE)` // never waits for anybody
	sqlDataVersion = `PRAGMA data_version`
	sqlIsMeta      = `SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'meta'`

	sqlInsertMeta = `INSERT INTO meta (one, schema, store, rev, pruned, proven) VALUES (1, ?, ?, 0, 0, ?)`
	sqlMeta       = `SELECT schema, store, rev FROM meta`
	sqlProven     = `SELECT proven FROM meta`
	sqlTakeProof  = `UPDATE meta SET proven = '' WHERE proven = ?`
	sqlNextRev    = `UPDATE meta SET rev = rev + 1 RETURNING rev, store`
	sqlPrune      = `DELETE FROM changes WHERE rev <= ?`
	sqlPruned     = `UPDATE meta SET pruned = ?`

	sqlGrant       = `INSERT INTO sessions (id, ttl_ns, renewals) VALUES (?, ?, 0)`
	sqlRenew       = `UPDATE sessions SET renewals = renewals + 1 WHERE id = ?`
	sqlSessions    = `SELECT id, ttl_ns, renewals FROM sessions`
	sqlHasSession  = `SELECT count(*) FROM sessions WHERE id = ?`
	sqlDropSession = `DELETE FROM sessions WHERE id = ?`
	sqlExpire      = `DELETE FROM sessions WHERE id = ? AND renewals = ?`

	sqlOwned  = `SELECT key, value, create_rev, mod_rev, session FROM records WHERE session = ? AND session <> '' ORDER BY create_rev, key`
	sqlRecord = `SELECT create_rev, mod_rev, session FROM records WHERE key = ?`
	sqlInsert = `INSERT INTO records (key, value, create_rev, mod_rev, session) VALUES (?, ?, ?, ?, ?)`
	sqlUpdate = `UPDATE records SET value = ?, mod_rev = ?, session = ? WHERE key = ?`
	sqlDelete = `DELETE FROM records WHERE key = ?`
	sqlChange = `INSERT INTO changes (rev, key, deleted, create_rev, mod_rev, session) VALUES (?, ?, ?, ?, ?, ?)`

	// One statement, and so one snapshot, for a revision and all records from a key up to another.
	sqlList = `SELECT m.rev, m.store, r.key, r.value, r.create_rev, r.mod_rev, r.session
		FROM meta m LEFT JOIN records r ON r.key >= ? AND r.key < ? ORDER BY r.create_rev, r.key`

	// One snapshot of the revision and the next changes. A put that was overwritten since has no
	// live row: a later change tells it.
	sqlChanges = `SELECT m.rev, m.pruned, m.store, c.rev, c.key, c.deleted, c.create_rev, c.mod_rev, c.session,
			r.value, r.key IS NOT NULL
		FROM meta m LEFT JOIN changes c ON c.rev > ?
			LEFT JOIN records r ON c.deleted = 0 AND r.key = c.key AND r.mod_rev = c.rev
		ORDER BY c.rev LIMIT 500`
)

// perConnection are the settings of each connection. Its waits for locks are ours, not SQLite's.
var perConnection = []string{
	`PRAGMA busy_timeout = 0`,
	`PRAGMA synchronous = FULL`,
	`PRAGMA journal_size_limit = 4194304`,
	`PRAGMA trusted_schema = OFF`,
}
