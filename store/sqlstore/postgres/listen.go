package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
)

// errPooler is why there are no notices.
var errPooler = errors.New("a pooler stands before the server: it gives each transaction another connection, and listening needs one of its own")

// closeTime bounds the orderly end of the listening connection.
const closeTime = 200 * time.Millisecond

// listen hears PostgreSQL's notices on a connection of its own: see server.Config.
func (w *wire) listen(ctx context.Context, channel string, listening, heard func()) error {
	c, err := w.connect(ctx)
	if err != nil {
		return err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTime)
		defer cancel()
		_ = c.Close(ctx)
	}()
	if err := w.look(ctx, c); err != nil {
		return err
	}
	if w.pooled.Load() {
		return errPooler
	}
	if _, err := c.Exec(ctx, "LISTEN "+pgx.Identifier{channel}.Sanitize()); err != nil {
		return err
	}
	listening()
	for {
		if _, err := c.WaitForNotification(ctx); err != nil {
			return err
		}
		heard()
	}
}
