package leadership

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/muster-go/muster/internal/bootclock"
	"github.com/muster-go/muster/store"
)

// The defaults.
const (
	defaultInterval = 30 * time.Second
	defaultJitter   = 0.2
	defaultTimeout  = time.Second
)

// FlagBuilder collects what a flag is made of. It is for one goroutine at a time, and may be used for
// several flags.
type FlagBuilder struct {
	settings
	handle     *sql.DB
	registerer prometheus.Registerer
	subsystem  string
}

// settings are what a running flag keeps of its builder.
type settings struct {
	logger   *slog.Logger
	name     string
	process  string
	interval time.Duration
	jitter   float64
	timeout  time.Duration
	fresh    bool
	clk      store.Clock
	open     func(context.Context) (store.Driver, error)
}

// NewFlag makes a builder with the defaults.
func NewFlag() *FlagBuilder {
	return &FlagBuilder{settings: settings{
		interval: defaultInterval, jitter: defaultJitter, timeout: defaultTimeout, clk: bootclock.Clock,
	}}
}

// Logger sets what the flag writes its log to. It is mandatory.
func (b *FlagBuilder) Logger(value *slog.Logger) *FlagBuilder { b.logger = value; return b }

// Handle sets the database, a PostgreSQL, MariaDB or MySQL, in which the flag is kept. It is mandatory.
// The flag doesn't close it; close it after the flag. It must not be limited to a single connection
// that other work keeps busy: the flag uses up to three at a time.
func (b *FlagBuilder) Handle(value *sql.DB) *FlagBuilder { b.handle = value; return b }

// Name sets the name of the flag, for flags of different uses or environments that share a database. It
// is mandatory. store.CheckName says what can be a name.
func (b *FlagBuilder) Name(value string) *FlagBuilder { b.name = value; return b }

// Process sets the name of this process, for example of the pod, which others see while it holds the
// flag. It is mandatory, should differ from that of every other process, and can't contain "#" or
// bytes that aren't UTF-8.
func (b *FlagBuilder) Process(value string) *FlagBuilder { b.process = value; return b }

// Interval sets how often, at the least, the ownership of the flag is renewed; with Jitter and Timeout
// it says how long a claim lasts: a second at the least, whatever they are (see the package's
// documentation). Default: 30 seconds.
func (b *FlagBuilder) Interval(value time.Duration) *FlagBuilder { b.interval = value; return b }

// Jitter sets by which share renewals are moved at random, from 0 to 1, so that processes that were
// started together don't ask the database together. Here they only ever come sooner, and by half at
// most. Default: 0.2.
func (b *FlagBuilder) Jitter(value float64) *FlagBuilder { b.jitter = value; return b }

// Timeout sets after how long an operation of the database is given up; less than Interval. A renewal
// that isn't answered is followed by another one, sooner or later than that, as long as there is time.
// Default: one second.
func (b *FlagBuilder) Timeout(value time.Duration) *FlagBuilder { b.timeout = value; return b }

// Fresh says that no living process can have raised a flag in this database before it was created,
// wiped or restored, so that nobody need wait for that; for tests, on databases of their own. It is no
// part of the original. Default: false.
func (b *FlagBuilder) Fresh(value bool) *FlagBuilder { b.fresh = value; return b }

// MetricsSubsystem sets the first part of the metric's name: with "background_tasks" it is
// background_tasks_leadership_flag_state, with the labels name and process, 1 while the flag is raised
// here and 0 otherwise. Default: empty, which means no metric.
func (b *FlagBuilder) MetricsSubsystem(value string) *FlagBuilder { b.subsystem = value; return b }

// MetricsRegisterer sets where the metric is registered, once for all flags with the same subsystem.
// Default, and what nil means: prometheus.DefaultRegisterer.
func (b *FlagBuilder) MetricsRegisterer(value prometheus.Registerer) *FlagBuilder {
	b.registerer = value
	return b
}

// Build makes the flag, which must be closed. It waits until the database has answered, for at most
// Timeout, and not for the flag to be raised; ctx bounds this wait only. The errors are those of
// settings (store.ErrInvalid) and of a database that refuses (store.ErrInvalid, store.ErrUnauthorized),
// or ctx's. A database that doesn't answer is no error.
func (b *FlagBuilder) Build(ctx context.Context) (result *Flag, err error) {
	if err := b.validate(); err != nil {
		return nil, fmt.Errorf("leadership flag %q: %w: %w", b.name, err, store.ErrInvalid)
	}
	if err := store.CheckName("leadership flag", b.name); err != nil {
		return nil, err
	}
	if ctx.Err() != nil {
		return nil, fmt.Errorf("leadership flag %q: not built: %w", b.name, context.Cause(ctx))
	}
	s := b.settings // a copy
	if s.open == nil {
		s.open = s.opener(b.handle)
	}
	f := newFlag(s)
	if err := f.awaitFirst(ctx); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("leadership flag %q: %w", b.name, err)
	}
	if err := b.publish(f); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("leadership flag %q: %w", b.name, err)
	}
	return f, nil
}

// validate gives the first fault.
func (b *FlagBuilder) validate() error {
	switch {
	case b.logger == nil:
		return errors.New("no logger: set one with Logger, for example slog.Default()")
	case b.handle == nil && b.open == nil:
		return errors.New("no database handle: set a *sql.DB with Handle")
	case b.name == "":
		return errors.New("no name: set the one that all processes of the group use with Name")
	case b.process == "":
		return errors.New("no process: set a name of this process's own with Process")
	case strings.Contains(b.process, "#"):
		return fmt.Errorf(`the process %q contains "#", which sets off its incarnation: leave it out`, b.process)
	case !utf8.ValidString(b.process): // no metric may have such a label
		return fmt.Errorf("the process %q is not valid UTF-8: leave out what isn't", b.process)
	case b.interval <= 0:
		return fmt.Errorf("interval %v: must be greater than 0", b.interval)
	case !(b.jitter >= 0 && b.jitter <= 1): // NaN too
		return fmt.Errorf("jitter %v: must be between 0 and 1", b.jitter)
	case b.timeout <= 0:
		return fmt.Errorf("timeout %v: must be greater than 0", b.timeout)
	case b.timeout >= b.interval:
		return fmt.Errorf("timeout %v: must be less than the interval, %v: make it shorter or the interval longer", b.timeout, b.interval)
	}
	return nil
}
