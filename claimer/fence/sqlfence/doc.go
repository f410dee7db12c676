// Package sqlfence has the rows of an SQL database refuse stale tokens.
//
// # Vocabulary
//
// A protected row carries its fence, the greatest token that has written to it, in a column of its
// own: 64-bit integers, NOT NULL, 0 in a new row.
//
//	CREATE TABLE jobs (name TEXT PRIMARY KEY, state TEXT NOT NULL, fence BIGINT NOT NULL DEFAULT 0)
//
// # Promises
//
//   - Rows.Update writes a row and its fence in one statement with the condition that the fence isn't
//     above the token: the database itself decides, at any isolation level.
//   - Rows.Guard does only that, as a transaction's first statement. What the transaction does then,
//     in whatever tables, is protected as the row is: until it ends, another token waits for the row
//     or makes one of the two transactions fail, and once it is committed a smaller one is refused.
//     All who write those tables must guard with the same row.
//   - *fence.StaleError and ErrNoRow mean that nothing was written. Any other error is the
//     database's; of a write outside a transaction it may say nothing about the outcome.
//
// # What it won't do
//
// It makes no tables and no rows: an inserted row can't refuse anything. It doesn't commit or roll
// back. It trusts its own statements only: what else writes the table must carry a token too.
//
// SQLite and PostgreSQL count the rows that a condition matched; the driver for MariaDB and MySQL must
// be told to (clientFoundRows=true), or a write that changes nothing, such as a second Guard with one
// token, is refused with an error that says so.
package sqlfence
