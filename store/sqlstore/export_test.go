package sqlstore

import (
	"context"
	"errors"

	"github.com/muster-go/muster/store"
)

// Requests is how often the driver has turned to the file: its polls, reads and tries to write.
func Requests(d store.Driver) int { return int(d.(*driver).requests.Load()) }

// NetworkName is networkName.
var NetworkName = networkName

// End is what an observer does that has seen these renewal numbers for long enough.
func End(d store.Driver, due map[store.SessionID]int64) { d.(*driver).end(d.(*driver).handle, due) }

// Keeping is a config for a change log of n commits.
func Keeping(cfg SQLiteConfig, n uint64) SQLiteConfig {
	cfg.keep = n
	return cfg
}

// ErrUndone is the error of UndoneWrite.
var ErrUndone = errors.New("undone")

// UndoneWrite takes a revision in a transaction that then fails.
func UndoneWrite(d store.Driver) error {
	return d.(*driver).write(context.Background(), func(tx *tx) error {
		if _, err := tx.nextRev(); err != nil {
			return err
		}
		return ErrUndone
	})
}
