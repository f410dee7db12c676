package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/muster-go/muster/internal/bootclock"
	"github.com/muster-go/muster/internal/chance"
)

// Config is what a Store is made of. Only Driver is required.
type Config struct {
	// Driver is the coordination service; the Store closes it.
	Driver Driver
	// Clock decides deadlines. Default: the boot-time clock, which counts suspends.
	Clock Clock
	// Logger gets what happens to sessions. Default: slog.Default().
	Logger *slog.Logger
	// Metrics gets the muster_store_… metrics. Default: none.
	Metrics prometheus.Registerer
	// Fresh says that no living process can hold anything in this store from before its era, so
	// that an era need not come of age before anybody leads (R5). Set it for a store that was
	// just created, never for one that may have been wiped or restored.
	Fresh bool
	// Drift bounds by how much the rate of this machine's clock differs from the service's.
	// Default 0.01 (1 %); at most 0.2.
	Drift float64
	// Margin is taken off every deadline. Default: a fiftieth of the TTL, between 10 and 100 ms,
	// and the 5 ms that the boot-time clock may lag after a resume.
	Margin time.Duration
	// CallTimeout is after how long an unanswered request is given up. Default 5 s. A
	// renewal is followed by another one after a fifth of its TTL, and given up after a third.
	CallTimeout time.Duration
	// Jitter is by which share renewals may come sooner, each by another one at random, so that
	// processes that were started together don't ask at the same moments. Default 0; at most 0.5.
	Jitter float64
	// Rand is where names that must be unique and the jitter of retries come from; it must not fail,
	// and may be read from many goroutines at once. Default: crypto/rand.Reader.
	Rand io.Reader
}

// Validate refuses a Config that can't work, with ErrInvalid.
func (c Config) Validate() error {
	switch {
	case c.Driver == nil:
		return fmt.Errorf("store: no Driver: open one, for example with Openers.OpenDriver: %w", ErrInvalid)
	case c.Drift < 0 || c.Drift > 0.2:
		return fmt.Errorf("store: Drift %v: must be between 0 and 0.2: %w", c.Drift, ErrInvalid)
	case c.Margin < 0:
		return fmt.Errorf("store: Margin %v: must not be negative: %w", c.Margin, ErrInvalid)
	case c.CallTimeout < 0:
		return fmt.Errorf("store: CallTimeout %v: must not be negative: %w", c.CallTimeout, ErrInvalid)
	case !(c.Jitter >= 0 && c.Jitter <= 0.5):
		return fmt.Errorf("store: Jitter %v: must be between 0 and 0.5: %w", c.Jitter, ErrInvalid)
	}
	return nil
}

// Store is a coordination service with what every driver lacks: requests that can be abandoned,
// sessions with a local deadline, and an era. It is made by Open or New and must be closed.
// Its methods may be called from many goroutines at once.
type Store struct {
	cfg    Config
	driver Driver
	clk    Clock
	log    *slog.Logger
	random io.Reader
	base   time.Time // deadlines are counted from here, so that monotonic readings are used where there are any

	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	loops  sync.WaitGroup
	slots  *slots
	meter  *meter
	root   root

	mu       sync.Mutex
	sessions map[time.Duration]*Session
	closed   bool
}

// New makes a Store of a driver. Nothing is asked of the service yet; see Ping.
func New(cfg Config) (*Store, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if cfg.Clock == nil {
		cfg.Clock = bootclock.Clock
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	if cfg.Drift == 0 {
		cfg.Drift = 0.01
	}
	if cfg.CallTimeout == 0 {
		cfg.CallTimeout = 5 * time.Second
	}
	s := &Store{
		cfg: cfg, driver: cfg.Driver, clk: cfg.Clock, log: cfg.Logger,
		random:   chance.Or(cfg.Rand),
		base:     cfg.Clock.Now(),
		sessions: map[time.Duration]*Session{},
	}
	s.slots = newSlots(s, maxCalls)
	s.meter = newMeter(cfg.Metrics)
	s.root.init(s)
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s, nil
}

// Open opens the store that the URL names, with the drivers that the program chose and defaults
// for everything else, and makes sure that it answers.
func Open(ctx context.Context, rawURL string, openers Openers) (*Store, error) {
	s, err := openers.Open(ctx, rawURL, Config{})
	if err != nil {
		return nil, err
	}
	if err := s.Ping(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// Open is OpenDriver and New in one: it fills Driver, and Fresh from the URL's parameter of that
// name ("?fresh=true").
func (o Openers) Open(ctx context.Context, rawURL string, cfg Config) (*Store, error) {
	rawURL, fresh, err := takeFresh(rawURL)
	if err != nil {
		return nil, err
	}
	clk := cfg.Clock
	if clk == nil {
		clk = bootclock.Clock
	}
	driver, err := o.OpenDriver(ctx, rawURL, clk)
	if err != nil {
		return nil, err
	}
	cfg.Driver, cfg.Fresh = driver, cfg.Fresh || fresh
	s, err := New(cfg)
	if err != nil {
		return nil, errors.Join(err, driver.Close())
	}
	return s, nil
}

// takeFresh takes the parameter that belongs to every store off the URL.
func takeFresh(rawURL string) (rest string, fresh bool, err error) {
	u, err := parseURL(rawURL)
	if err != nil || !u.Query().Has("fresh") {
		return rawURL, false, nil // OpenDriver says what is wrong with it
	}
	query := u.Query()
	fresh, err = strconv.ParseBool(query.Get("fresh"))
	if err != nil {
		return "", false, fmt.Errorf("store URL %q: fresh=%q: must be true or false: %w", Redact(rawURL), query.Get("fresh"), ErrInvalid)
	}
	query.Del("fresh")
	u.RawQuery = query.Encode()
	return u.String(), fresh, nil
}

// Limits are the driver's.
func (s *Store) Limits() Limits { return s.driver.Limits() }

// Clock is the clock on which this store's deadlines are counted.
func (s *Store) Clock() Clock { return s.clk }

// Rand is the source of what is random in this store and in what is built on it.
func (s *Store) Rand() io.Reader { return s.random }

// Ping asks the service for one linearizable read.
func (s *Store) Ping(ctx context.Context) error {
	_, err := s.List(ctx, rootKey)
	return err
}

// List reads every record of a prefix at one revision; see Driver.List.
func (s *Store) List(ctx context.Context, prefix string) (Snapshot, error) {
	snap, err := call(ctx, s, s.slots, "list", s.cfg.CallTimeout, func(ctx context.Context) (Snapshot, error) {
		return s.driver.List(ctx, prefix)
	})
	if err != nil {
		return Snapshot{}, fmt.Errorf("read %q: %w", prefix, err)
	}
	return snap, nil
}

// Apply does independent conditional writes; see Driver.Apply. Records of a session are written
// through its Lease instead.
func (s *Store) Apply(ctx context.Context, writes []Write) ([]Outcome, error) {
	outcomes, err := call(ctx, s, s.slots, "apply", s.cfg.CallTimeout, func(ctx context.Context) ([]Outcome, error) {
		return s.driver.Apply(ctx, writes)
	})
	if err != nil {
		return nil, fmt.Errorf("write: %w", err)
	}
	if len(outcomes) != len(writes) {
		return nil, fmt.Errorf("write: the driver gave %d outcomes for %d writes", len(outcomes), len(writes))
	}
	return outcomes, nil
}

// applyOne is Apply for one write; the error is the write's own.
func (s *Store) applyOne(ctx context.Context, w Write) (rev uint64, err error) {
	outcomes, err := s.Apply(ctx, []Write{w})
	if err != nil {
		return 0, err
	}
	return outcomes[0].Rev, outcomes[0].Err
}

// Watch calls emit with what stands below a prefix and then with what changes, one call at a time,
// until ctx ends; see Driver.Watch. It returns when ctx ends even if the driver does not; emit is
// not called after that.
func (s *Store) Watch(ctx context.Context, prefix string, emit func(Event)) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.ctx, cancel)()
	var gate sync.Mutex // so that an emit under way ends before Watch returns, and none starts after
	over := false
	done := make(chan error, 1)
	go func() {
		done <- s.driver.Watch(ctx, prefix, func(e Event) {
			gate.Lock()
			defer gate.Unlock()
			if !over {
				emit(e)
			}
		})
	}()
	var err error
	select {
	case err = <-done:
	case <-ctx.Done():
		err = ctx.Err()
	}
	gate.Lock()
	over = true
	gate.Unlock()
	if s.ctx.Err() != nil {
		return ErrClosed
	}
	return err
}

// Close ends every session's work in this process and closes the driver. Sessions that are still
// open lose their leases but are not revoked: close the sessions first for a clean release. A
// driver that doesn't close within CallTimeout is left behind. Closing twice is harmless.
func (s *Store) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	s.mu.Unlock()
	s.cancel()
	s.loops.Wait()
	done := make(chan error, 1)
	go func() { done <- s.driver.Close() }()
	limit := s.clk.NewTimer(s.cfg.CallTimeout)
	defer limit.Stop()
	select {
	case err := <-done:
		return err
	case <-limit.Chan():
		return fmt.Errorf("store: the driver did not close within %v", s.cfg.CallTimeout)
	}
}

// now is the time since base.
func (s *Store) now() time.Duration { return s.clk.Now().Sub(s.base) }
