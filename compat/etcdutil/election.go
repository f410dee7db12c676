package etcdutil

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	etcd "go.etcd.io/etcd/client/v3"

	"github.com/muster-go/muster/store"
	"github.com/muster-go/muster/store/etcdstore"
)

// defaultElectionTTL is in seconds.
const defaultElectionTTL = 5

// ElectionEvent is what an EventObserver hears.
type ElectionEvent struct {
	// True if our candidate is leader
	IsLeader bool
	// True if the election is shutdown and
	// no further events will follow.
	IsDone bool
	// Holds the current leader key
	LeaderKey string
	// Hold the current leaders data
	LeaderData string
	// If not nil, contains an error encountered
	// while participating in the election.
	Err error
}

// Event is ElectionEvent.
//
// Deprecated: use ElectionEvent instead
type Event = ElectionEvent

// EventObserver hears what happens in an election; the package's documentation says what, and in
// which order. It is called in order, one call at a time, from a goroutine of the Election's. It
// should return soon: leadership is handed over only after it has returned from the event that says
// it is over, though it isn't waited for longer than two seconds. It must not call Close, which waits
// for it.
type EventObserver func(ElectionEvent)

// ElectionConfig says who stands for what. Only Election is required.
type ElectionConfig struct {
	// Optional function when provided is called every time leadership changes or an error occurs
	EventObserver EventObserver
	// The name of the election (IE: scout, blackbird, etc...)
	//
	// A "/" before or behind it doesn't count.
	Election string
	// The name of this instance (IE: worker-n01, worker-n02, etc...)
	//
	// It is the value of the candidate's key. Default: the name of the host.
	Candidate string
	// Seconds to wait before giving up the election if leader disconnected
	//
	// Default: 5. A shorter time than etcd's shortest, 2 on a stock server, becomes that.
	TTL int64
	// Clock decides when leadership is over. Default: the boot-time clock, which counts suspends.
	Clock store.Clock
	// Logger gets what happens to the candidate. Default: slog.Default().
	Logger *slog.Logger
}

// withDefaults refuses a config that can't work.
func (conf ElectionConfig) withDefaults() (ElectionConfig, time.Duration, error) {
	conf.Clock, conf.Logger = orBootClock(conf.Clock), orDefault(conf.Logger)
	conf.Election = strings.Trim(conf.Election, "/")
	if err := store.CheckName("election", conf.Election); err != nil {
		return conf, 0, fmt.Errorf("etcdutil: ElectionConfig: %w", err)
	}
	if conf.Candidate == "" {
		host, err := os.Hostname()
		if err != nil {
			return conf, 0, fmt.Errorf("etcdutil: ElectionConfig %q: no Candidate, and the host has no name (%w): name who stands", conf.Election, err)
		}
		conf.Candidate = host
	}
	ttl, err := ttlOf(fmt.Sprintf("etcdutil: ElectionConfig %q", conf.Election), conf.TTL, defaultElectionTTL)
	return conf, ttl, err
}

// Election is a candidate in an election. Its methods may be called from many goroutines.
type Election struct {
	conf   ElectionConfig
	ttl    time.Duration
	keeper *keeper // nil: it never began
	tells  teller[ElectionEvent]
	crowd  crowd

	// For run only.
	leader   store.Record // of whom the observer was told last, if it is another
	before   string       // the key by which it stood before; it may take a while to go
	troubled bool         // an error was told, and it hasn't been known since who leads

	ctx       context.Context // ends with Close
	cancel    context.CancelFunc
	concedes  chan chan concession
	answered  chan struct{} // closed with the first answer
	failed    chan error    // capacity 1: the first error that is permanent
	ended     chan struct{}
	closeOnce sync.Once

	mu     sync.Mutex
	closed bool
	term   atomic.Pointer[term] // nil: doesn't lead
}

// term is a time of leadership.
type term struct {
	lease *store.Lease
	over  chan struct{} // closed when it was ended here
}

// concession is the answer to Concede.
type concession struct {
	led bool
	err error
}

// NewElection stands for an election, and returns once it is known who leads: from then on IsLeader
// says whether it is this candidate. The event that says so may not have been delivered yet. If ctx
// ends before, or the candidate can't stand (a bad config, a server that refuses the client), it
// gives an error, and nothing of the candidate is left: neither key nor lease nor goroutine.
func NewElection(ctx context.Context, client *etcd.Client, conf ElectionConfig) (*Election, error) {
	return ready(ctx, NewElectionAsync(client, conf))
}

// NewElectionAsync stands for an election, and doesn't wait for it: the EventObserver hears how it
// goes. With a config that can't work the observer hears just that, as an event with Err; and
// IsLeader stays false.
func NewElectionAsync(client *etcd.Client, conf ElectionConfig) *Election {
	return newElection(func(conf ElectionConfig) (store.Driver, error) {
		prefix := strings.TrimSuffix(keysOf(conf.Election), "/")
		return etcdstore.New(etcdstore.Config{Client: client, Prefix: prefix, Clock: conf.Clock, Logger: conf.Logger})
	}, conf)
}

// ready waits for the first answer.
func ready(ctx context.Context, e *Election) (*Election, error) {
	var err error
	select {
	case <-e.answered:
		return e, nil
	case err = <-e.failed:
	case <-ctx.Done():
		select {
		case <-e.answered: // both at once: the candidate stands
			return e, nil
		default:
		}
		err = fmt.Errorf("etcdutil: election %q: no answer yet: %w", e.conf.Election, ctx.Err())
		if e.keeper != nil && e.keeper.trouble() != nil {
			err = fmt.Errorf("%w: %w", err, e.keeper.trouble())
		}
	}
	e.Close()
	return nil, err
}

func newElection(open func(ElectionConfig) (store.Driver, error), conf ElectionConfig) *Election {
	conf, ttl, err := conf.withDefaults()
	e := &Election{
		conf: conf, ttl: ttl,
		tells:    teller[ElectionEvent]{observer: conf.EventObserver, clk: conf.Clock},
		concedes: make(chan chan concession),
		answered: make(chan struct{}),
		failed:   make(chan error, 1),
		ended:    make(chan struct{}),
	}
	e.ctx, e.cancel = context.WithCancel(context.Background())
	if err == nil {
		err = e.open(open)
	}
	if err != nil {
		e.fail(err)
		go e.finish()
		return e
	}
	go e.run()
	return e
}

func (e *Election) open(open func(ElectionConfig) (store.Driver, error)) error {
	e.crowd.news = make(chan struct{}, 1)
	driver, err := open(e.conf)
	if err == nil {
		e.keeper, err = openKeeper(driver, "revision", e.ttl, e.conf.Clock, e.conf.Logger)
	}
	if err != nil {
		return fmt.Errorf("etcdutil: election %q: %w", e.conf.Election, err)
	}
	return nil
}

// IsLeader reports whether this candidate leads now. It never blocks, and asks nobody: it compares
// the clock with the lease's deadline.
func (e *Election) IsLeader() bool {
	t := e.term.Load()
	return t != nil && t.lease.Valid()
}

// Concede gives leadership up: (true, nil) means that this candidate led, leads no more, and stands
// again behind all others; alone, it soon leads again. The observer has heard so before others can
// lead, unless it doesn't return for two seconds. (false, nil) means that it didn't lead, and keeps
// its place. With (true, error) it doesn't lead any more, but etcd did not confirm it within two
// seconds: others may have to wait for the TTL.
func (e *Election) Concede() (bool, error) {
	t := e.term.Load()
	if t == nil || !t.lease.Valid() {
		return false, nil
	}
	answer := make(chan concession, 1)
	select {
	case e.concedes <- answer:
		c := <-answer
		return c.led, c.err
	case <-t.over:
		return false, nil
	}
}

// Close takes the candidate out of the election, for good. A leader leads no more at once; the observer
// hears {IsLeader: false}, then etcd deletes the key, then the observer hears {IsDone: true}, and
// then Close returns: the observer isn't called again. Each of the three is waited for two seconds
// at most; a key that can't be deleted is gone after the TTL. Closing twice is harmless.
func (e *Election) Close() {
	e.closeOnce.Do(func() {
		e.mu.Lock()
		e.closed = true
		e.mu.Unlock()
		e.lower()
		e.cancel()
		<-e.ended
	})
}

// Stop is Close.
func (e *Election) Stop() { e.Close() }

// lead begins a term; false: the election was closed.
func (e *Election) lead(lease *store.Lease) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return false
	}
	e.term.Store(&term{lease, make(chan struct{})})
	return true
}

// lower ends the term, if there is one.
func (e *Election) lower() bool {
	t := e.term.Swap(nil)
	if t != nil {
		close(t.over)
	}
	return t != nil
}

// tell tells the observer; the first answer of all is what NewElection waits for.
func (e *Election) tell(event ElectionEvent) {
	e.tells.tell(event)
	select {
	case <-e.answered:
	default:
		if event.LeaderKey != "" {
			close(e.answered)
		}
	}
}

// fail tells of an error that is permanent.
func (e *Election) fail(err error) {
	select {
	case e.failed <- err:
	default:
	}
	e.tell(ElectionEvent{Err: err})
}

// keysOf is what the keys of an election's candidates begin with, to the letter as the original has it:
// a name's "/" stays one.
func keysOf(election string) string { return "/elections/" + election + "/" }

// finish ends the election, once it is closed. Others can lead only after the observer has heard that
// this candidate doesn't.
func (e *Election) finish() {
	defer close(e.ended)
	<-e.ctx.Done()
	e.tell(ElectionEvent{})
	e.flush()
	if e.keeper != nil {
		if err := e.keeper.close(); err != nil {
			e.conf.Logger.Warn("etcdutil: closing an election", "election", e.conf.Election, "err", err)
		}
	}
	e.tell(ElectionEvent{IsDone: true})
	if !e.tells.end() {
		e.conf.Logger.Warn("etcdutil: the observer doesn't return: it is left behind", "election", e.conf.Election)
	}
}

func (e *Election) flush() {
	if !e.tells.flush() {
		e.conf.Logger.Warn("etcdutil: the observer doesn't return: leadership is given up beside it", "election", e.conf.Election)
	}
}
