package etcdstore

import (
	"fmt"
	"log/slog"
	"strings"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/muster-go/muster/internal/bootclock"
	"github.com/muster-go/muster/store"
)

// Config says where the store is. Only Client is required.
type Config struct {
	// Client reaches the cluster. The driver doesn't close it; close it after the driver. Wrappers
	// that were put into its fields (clientv3/namespace) have no effect: use Prefix. How soon a
	// dead connection is noticed is up to its keep-alive settings; Open's own client does better.
	Client *clientv3.Client
	// Prefix is put, with a "/", before every key. Default: none.
	Prefix string
	// Clock times what the driver waits for. Default: bootclock.Clock.
	Clock store.Clock
	// Logger gets a line when watches are cut off, and when they are back. Default: slog.Default().
	Logger *slog.Logger
}

// Validate reports the first value that can't be used (store.ErrInvalid).
func (c Config) Validate() error {
	switch {
	case c.Client == nil:
		return fmt.Errorf("etcd store: no Client: make one with clientv3.New, or use Open: %w", store.ErrInvalid)
	case c.Client.ActiveConnection() == nil:
		return fmt.Errorf("etcd store: the Client has no connection: make it with clientv3.New: %w", store.ErrInvalid)
	case strings.HasSuffix(c.Prefix, "/"):
		return fmt.Errorf("etcd store: the prefix %q ends in /: leave that out: %w", c.Prefix, store.ErrInvalid)
	}
	return nil
}

func (c Config) withDefaults() Config {
	if c.Clock == nil {
		c.Clock = bootclock.Clock
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	return c
}

// New makes a driver of a client that the caller has. Nothing is asked of the cluster yet; the
// versions of its servers are checked by the first Grant.
func New(cfg Config) (store.Driver, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	return newDriver(cfg.withDefaults(), nil), nil
}
