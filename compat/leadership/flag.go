package leadership

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/muster-go/muster/claimer"
	"github.com/muster-go/muster/store"
	"github.com/muster-go/muster/tracker"
)

// Flag is raised in at most one process of a group. Its methods may be called from many goroutines.
type Flag struct {
	settings
	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	closed atomic.Bool
	first  chan error    // what came of the first try to open the database, once
	done   chan struct{} // closed when nothing runs any more
	err    error         // of Close; set before done is closed

	tracker atomic.Pointer[tracker.Worker] // nil while there is none
}

// newFlag starts a flag.
func newFlag(s settings) *Flag {
	s.logger = s.logger.With("flag", s.name, "process", s.process)
	f := &Flag{settings: s, first: make(chan error, 1), done: make(chan struct{})}
	f.ctx, f.cancel = context.WithCancel(context.Background())
	go f.run()
	return f
}

// Raised tells whether this process holds the flag now. It takes no lock and never waits.
func (f *Flag) Raised() bool {
	if f.closed.Load() {
		return false
	}
	t := f.tracker.Load()
	if t == nil {
		return false
	}
	_, _, leads := t.Leadership()
	return leads
}

// Close lowers the flag at once, releases it so that another process can raise it, and waits until
// nothing of it runs any more: 2 × Timeout and some seconds at most. It doesn't close the handle. Every
// call gives the same error: that of a driver which was left behind because it didn't end in time.
func (f *Flag) Close() error {
	f.closed.Store(true)
	f.cancel()
	<-f.done
	return f.err
}

// awaitFirst waits for the first try to open the database, for at most the timeout; the error is one
// that trying again can't mend, or ctx's.
func (f *Flag) awaitFirst(ctx context.Context) error {
	limit := f.clk.NewTimer(f.timeout)
	defer limit.Stop()
	select {
	case err := <-f.first:
		if permanent(err) {
			return err
		}
		return nil
	case <-limit.Chan():
		return nil
	case <-ctx.Done():
		return fmt.Errorf("not built: %w", context.Cause(ctx))
	}
}

// run stands for the flag until Close, and begins anew whenever something ends it: what was refused
// for good may be allowed later.
func (f *Flag) run() {
	defer close(f.done)
	least, most := f.interval/20, f.interval
	pause := least
	for {
		err := f.stand(func() { pause = least })
		f.tell(err)
		if f.ctx.Err() != nil {
			return
		}
		f.logger.Warn("leadership flag: no use of the database: trying on", "err", err, "pause", pause)
		if !f.sleep(pause) {
			return
		}
		pause = min(2*pause, most)
	}
}

// tell answers awaitFirst; only the first time matters.
func (f *Flag) tell(err error) {
	select {
	case f.first <- err:
	default:
	}
}

func (f *Flag) sleep(d time.Duration) bool {
	timer := f.clk.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.Chan():
		return true
	case <-f.ctx.Done():
		return false
	}
}

// stand opens the database and stands for the flag until Close, or until something ends it.
func (f *Flag) stand(opened func()) error {
	// To open takes several operations.
	ctx, cancel := context.WithCancel(f.ctx)
	limit := f.clk.AfterFunc(10*f.timeout, cancel)
	driver, err := f.open(ctx)
	limit.Stop()
	cancel()
	if err != nil {
		return err
	}
	st, err := store.New(store.Config{
		Driver: driver, Clock: f.clk, Logger: f.logger, Fresh: f.fresh, CallTimeout: f.timeout, Jitter: min(f.jitter, 0.5),
	})
	if err != nil {
		return errors.Join(err, driver.Close())
	}
	queue, err := claimer.New(claimer.Config{Store: st, TTL: f.ttl(st.Limits()), Logger: f.logger})
	if err != nil {
		return errors.Join(err, st.Close())
	}
	t, err := tracker.New(tracker.Config{
		Claimer: &announcer{Queue: queue, log: f.logger}, Candidate: claimer.Candidate{Name: f.name, Holder: f.process},
		Duration: queue.MaxDuration() / 2, Clock: f.clk, Logger: f.logger,
	})
	if err != nil {
		return errors.Join(err, queue.Close(), st.Close())
	}
	f.tracker.Store(t)
	opened()
	f.tell(nil)
	return f.finish(t, queue, st)
}

// finish waits for the end, and then lowers, releases and closes, in this order.
func (f *Flag) finish(t *tracker.Worker, queue *claimer.Queue, st *store.Store) error {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = t.Wait() // asked again below
	}()
	select {
	case <-ended:
	case <-f.ctx.Done():
		t.Kill()
		limit := f.clk.NewTimer(2 * f.timeout) // for the release: a database that hangs doesn't get more
		defer limit.Stop()
		select {
		case <-ended:
		case <-limit.Chan():
		}
	}
	f.tracker.Store(nil)
	_ = queue.Close() // it has no errors; with it ends a release that hangs
	closing := st.Close()
	if f.ctx.Err() != nil {
		f.err = closing
	}
	return t.Wait()
}

// ttl is for how long a claim lasts: a renewal that comes as late as it may, and takes as long as it
// may, still keeps it.
func (s *settings) ttl(limits store.Limits) time.Duration {
	most := time.Duration(float64(s.interval) * (1 + s.jitter))
	return max(limits.Round(most+s.timeout), limits.MinTTL)
}

func permanent(err error) bool {
	return errors.Is(err, store.ErrInvalid) || errors.Is(err, store.ErrUnauthorized)
}
