package sqlfence_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/muster-go/muster/claimer"
	"github.com/muster-go/muster/claimer/fence"
	"github.com/muster-go/muster/claimer/fence/sqlfence"
)

func ExampleRows_Update() {
	ctx := context.Background()
	db, err := sql.Open("sqlite", ":memory:")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer db.Close()
	db.SetMaxOpenConns(1) // or each connection would have a memory of its own
	_, err = db.ExecContext(ctx, `
		CREATE TABLE jobs (name TEXT PRIMARY KEY, state TEXT NOT NULL, fence BIGINT NOT NULL DEFAULT 0);
		INSERT INTO jobs (name, state) VALUES ('nightly', 'new')`)
	if err != nil {
		fmt.Println(err)
		return
	}

	jobs := sqlfence.Rows{Table: "jobs", Key: "name"}
	finish := func(claim claimer.Claim, state string) {
		err := jobs.Update(ctx, db, "nightly", claim.Token, sqlfence.Column{Name: "state", Value: state})
		if errors.Is(err, fence.ErrStale) {
			fmt.Println(err)
			return
		}
		fmt.Println(state, err)
	}
	frozen := claimer.Claim{Token: 41} // its process was stopped for a minute
	next := claimer.Claim{Token: 57}
	finish(next, "done by the next one")
	finish(frozen, "done by the one before")
	// Output:
	// done by the next one <nil>
	// row nightly of jobs: token 41 is stale: 57 was seen, so another has led since: claim again before writing
}

func ExampleRows_Guard() {
	ctx := context.Background()
	var db *sql.DB // PostgreSQL
	jobs := sqlfence.Rows{Table: "jobs", Key: "name", Placeholder: sqlfence.Dollar}

	// All that a leader writes, in whatever tables, stands behind one row.
	_ = func(claim claimer.Claim) error {
		tx, err := db.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		defer func() { _ = tx.Rollback() }()
		if err := jobs.Guard(ctx, tx, "nightly", claim.Token); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, "DELETE FROM reports WHERE day < now() - interval '1 year'"); err != nil {
			return err
		}
		return tx.Commit()
	}
}
