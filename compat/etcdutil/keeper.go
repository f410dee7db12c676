package etcdutil

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/muster-go/muster/internal/bootclock"
	"github.com/muster-go/muster/store"
)

const (
	minTTL = 2 * time.Second // a stock server grants no shorter lease
	maxTTL = 10 * 365 * 24 * time.Hour
	// again is how soon something that failed is tried again.
	again = time.Second
)

// keeper has one lease at a time: it is kept alive, with its deadline, by a store of its own, and
// granted anew after it was lost.
type keeper struct {
	st      *store.Store
	ttl     time.Duration
	session *store.Session

	mu  sync.Mutex
	why error // there was no lease when it was asked for last
}

// ttlOf gives the TTL that is used for one of a Config, in seconds.
func ttlOf(what string, seconds, blank int64) (time.Duration, error) {
	fill(&seconds, blank)
	if seconds < 0 || seconds > int64(maxTTL/time.Second) {
		return 0, fmt.Errorf("%s: TTL %d: must be a number of seconds from 1 to %d, or 0 for %d", what, seconds, int64(maxTTL/time.Second), blank)
	}
	return max(time.Duration(seconds)*time.Second, minTTL), nil
}

// openKeeper makes a keeper on a driver that it closes. sight is a key that may be read.
func openKeeper(d store.Driver, sight string, ttl time.Duration, clk store.Clock, log *slog.Logger) (*keeper, error) {
	st, err := store.New(store.Config{Driver: newLocalEra(d, sight), Clock: clk, Logger: log, Fresh: true})
	if err != nil {
		return nil, errors.Join(err, d.Close())
	}
	session, err := st.Session(ttl)
	if err != nil {
		return nil, errors.Join(err, st.Close())
	}
	return &keeper{st: st, ttl: ttl, session: session}, nil
}

// lease waits for a live lease. An error is permanent, unless ctx has ended.
func (k *keeper) lease(ctx context.Context) (*store.Lease, error) {
	for {
		within, cancel := context.WithCancel(ctx)
		limit := k.st.Clock().AfterFunc(again, cancel)
		lease, err := k.session.Lease(within)
		limit.Stop()
		cancel()
		if err == nil || ctx.Err() != nil || permanent(err) {
			return lease, err
		}
		k.mu.Lock()
		k.why = err
		k.mu.Unlock()
	}
}

// trouble says why there was no lease when it was waited for, if there was none at once.
func (k *keeper) trouble() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.why
}

// renounce gives up the lease there is, with all its keys, for a new one. It waits until etcd has
// done so, but not for long.
func (k *keeper) renounce() error {
	k.session.Close()
	session, err := k.st.Session(k.ttl)
	if err == nil {
		k.session = session
	}
	return err
}

// close gives up the lease too, and then everything else. It is bounded.
func (k *keeper) close() error {
	k.session.Close()
	return k.st.Close()
}

// pause waits a little before something that failed is tried again.
func (k *keeper) pause(ctx context.Context) {
	timer := k.st.Clock().NewTimer(again)
	defer timer.Stop()
	select {
	case <-timer.Chan():
	case <-ctx.Done():
	}
}

func permanent(err error) bool {
	return errors.Is(err, store.ErrInvalid) || errors.Is(err, store.ErrUnauthorized) || errors.Is(err, store.ErrClosed)
}

func orBootClock(clk store.Clock) store.Clock {
	if clk == nil {
		return bootclock.Clock
	}
	return clk
}

func orDefault(log *slog.Logger) *slog.Logger {
	if log == nil {
		return slog.Default()
	}
	return log
}
