package leadership

import (
	"context"
	"database/sql"
	"time"

	"github.com/muster-go/muster/store"
	"github.com/muster-go/muster/store/sqlstore"
)

// opener opens the store in the database. Who waits for the flag looks for its release several times in
// each Interval, and 4 times a second at the least.
func (s *settings) opener(db *sql.DB) func(context.Context) (store.Driver, error) {
	return func(ctx context.Context) (store.Driver, error) {
		return sqlstore.New(ctx, db, sqlstore.Config{
			Clock: s.clk, Logger: s.logger,
			Poll: min(max(s.interval/10, 10*time.Millisecond), 250*time.Millisecond),
		})
	}
}
