package server

import (
	"context"
	"database/sql"
	"time"

	"github.com/muster-go/muster/store"
)

const (
	// listenAgain is the time between two tries to listen.
	listenAgain = 2 * time.Second
	// maxUnheard is how many changes in a row may come without a notice before notices are no longer
	// relied upon, until one comes again.
	maxUnheard = 3
)

// listen hears notices for as long as the driver lives. They are relied upon, and polls become rare,
// once a notice of this driver's own was heard: through a pooler none comes.
func (d *Driver) listen() {
	for {
		err := d.cfg.Listen(d.ctx, d.channel(), d.probe, func() {
			d.hearing.Store(true)
			d.wake()
		})
		d.hearing.Store(false)
		d.wake() // most likely the server is gone: see
		if d.ctx.Err() != nil {
			return
		}
		d.cfg.Logger.Debug("no notices of changes: polling", "store", d.cfg.Name, "err", err)
		if !d.sleep(d.ctx, listenAgain) {
			return
		}
	}
}

// probe sends a notice to see whether it comes back.
func (d *Driver) probe() {
	_, err := own(d.ctx, d, d.polls, "notify", d.cfg.DB, func(ctx context.Context, c *sql.Conn) (sql.Result, error) {
		return c.ExecContext(ctx, d.sql.notify, d.channel())
	})
	if err != nil {
		d.cfg.Logger.Debug("no notice could be sent", "store", d.cfg.Name, "err", err)
	}
}

// heard is called for a look that found changes.
func (p *poll) heard() {
	if p.nudged {
		p.unheard = 0
		return
	}
	if p.unheard++; p.unheard >= maxUnheard {
		p.unheard = 0
		p.d.hearing.Store(false)
	}
}

var _ store.PairLister = (*Driver)(nil)
