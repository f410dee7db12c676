package claimer

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/muster-go/muster/store"
)

// Config is what a Queue is made of. Store and TTL are required.
type Config struct {
	// Store holds the records. The Queue does not close it.
	Store *store.Store
	// TTL is how long a holder that stopped answering keeps its claims; it is what failover is
	// about (store.Limits.WorstFailover). Claims can be asked for at most 0.8 TTL.
	TTL time.Duration
	// Logger gets what happens to claims. Default: slog.Default().
	Logger *slog.Logger
}

// Validate refuses a Config that can't work, with ErrInvalid.
func (c Config) Validate() error {
	if c.Store == nil {
		return fmt.Errorf("claimer: no Store: open one with store.Open: %w", ErrInvalid)
	}
	if err := c.Store.Limits().Check(c.TTL); err != nil {
		return fmt.Errorf("claimer: %w", err)
	}
	if most, claims := c.Store.Guarantee(c.TTL), maxDuration(c.TTL); most <= claims {
		return fmt.Errorf("claimer: ttl %v: after the store's drift and margin a renewal guarantees %v of it, and claims may be for 0.8 × TTL = %v: use a longer TTL, or a store with less drift or margin: %w",
			c.TTL, most, claims, ErrInvalid)
	}
	return nil
}

func maxDuration(ttl time.Duration) time.Duration { return ttl * 4 / 5 }

// Queue is a Claimer, and a Keeper, on any store. The candidates of an election queue as records of
// their processes' sessions; the one that was committed first holds the name; each of the others
// watches only the one before it, so that a hand-over costs one delete and one event.
type Queue struct {
	cfg Config
	st  *store.Store
	clk store.Clock

	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	loops  sync.WaitGroup

	mu        sync.Mutex
	session   *store.Session // from the first Claim on
	standing  map[identity]*candidacy
	lingering map[string][]*candidacy // by election: ended, but guarded work of theirs still runs
	closed    bool
}

// identity is what makes two candidates the same one.
type identity struct{ name, holder string }

// New makes a Queue. It asks nothing of the store: a Queue that only reads needs no session.
func New(cfg Config) (*Queue, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	q := &Queue{
		cfg: cfg, st: cfg.Store, clk: cfg.Store.Clock(),
		standing:  map[identity]*candidacy{},
		lingering: map[string][]*candidacy{},
	}
	q.ctx, q.cancel = context.WithCancel(context.Background())
	return q, nil
}

// MaxDuration is the longest time that Claim can be asked for: 0.8 TTL.
func (q *Queue) MaxDuration() time.Duration { return maxDuration(q.cfg.TTL) }

// Close withdraws every candidacy of this process, those that guarded work holds excepted, and
// gives the session up; then Claim, Release and WaitReleased give ErrClosed. If nothing is held the
// session is revoked, so that others need not wait for its TTL; Close waits for that for at most
// two seconds. It does not close the store. Closing twice is harmless.
func (q *Queue) Close() error {
	q.mu.Lock()
	if q.closed {
		q.mu.Unlock()
		return nil
	}
	q.closed = true
	session := q.session
	var standing []*candidacy
	for _, k := range q.standing {
		standing = append(standing, k)
	}
	q.mu.Unlock()
	// In one order, so that a simulation runs the same way twice.
	slices.SortFunc(standing, func(a, b *candidacy) int {
		return cmp.Or(cmp.Compare(a.c.Name, b.c.Name), cmp.Compare(a.c.Holder, b.c.Holder))
	})
	for _, k := range standing {
		k.withdraw()
	}
	q.cancel()
	q.loops.Wait()
	if session != nil {
		session.Close()
	}
	return nil
}

// lease gives the present lease of the process's session, which it starts if there is none.
func (q *Queue) lease(ctx context.Context) (*store.Lease, error) {
	q.mu.Lock()
	if q.closed {
		q.mu.Unlock()
		return nil, ErrClosed
	}
	if q.session == nil {
		session, err := q.st.Session(q.cfg.TTL)
		if err != nil {
			q.mu.Unlock()
			return nil, err
		}
		q.session = session
	}
	session := q.session
	q.mu.Unlock()
	return session.Lease(ctx)
}

// candidacy gives the candidate's present candidacy, made if there is none and make says so.
func (q *Queue) candidacy(c Candidate, make bool) (*candidacy, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return nil, ErrClosed
	}
	id := identity{c.Name, c.Holder}
	k := q.standing[id]
	if k == nil && make {
		k = newCandidacy(q, c)
		q.standing[id] = k
	}
	if k != nil {
		k.enter()
	}
	return k, nil
}

// remove takes an ended candidacy off the books, once its record is known gone.
func (q *Queue) remove(k *candidacy) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if id := (identity{k.c.Name, k.c.Holder}); q.standing[id] == k {
		delete(q.standing, id)
	}
}

// linger notes that guarded work of an ended candidacy still runs, until it doesn't.
func (q *Queue) linger(k *candidacy) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !slices.Contains(q.lingering[k.c.Name], k) {
		q.lingering[k.c.Name] = append(q.lingering[k.c.Name], k)
	}
}

// blocked gives the channel that closes when guarded work of an earlier candidacy for the name has
// stopped, or nil if none runs (R12).
func (q *Queue) blocked(name string) <-chan struct{} {
	q.mu.Lock()
	defer q.mu.Unlock()
	rest := q.lingering[name][:0]
	var blocked <-chan struct{}
	for _, k := range q.lingering[name] {
		held, ended, unheld := k.guards()
		if held {
			rest = append(rest, k)
		}
		if held && ended {
			blocked = unheld
		}
	}
	clear(q.lingering[name][len(rest):])
	q.lingering[name] = rest
	if len(rest) == 0 {
		delete(q.lingering, name)
	}
	return blocked
}

// besideGuardedWork tells whether guarded work runs for another candidacy for k's name, be it over
// or not yet known to be.
func (q *Queue) besideGuardedWork(k *candidacy) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	for id, other := range q.standing { // where a candidacy stays until its guarded work has stopped
		if id.name == k.c.Name && other != k {
			if held, _, _ := other.guards(); held {
				return true
			}
		}
	}
	return false
}

// check refuses a candidate that can't stand.
func (c Candidate) check() error {
	if err := store.CheckName("election", c.Name); err != nil {
		return err
	}
	if c.Holder == "" {
		return fmt.Errorf("election %q: the candidate's Holder is empty: name who stands for it: %w", c.Name, ErrInvalid)
	}
	return nil
}
