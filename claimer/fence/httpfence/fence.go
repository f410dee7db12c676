package httpfence

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"sync"

	"github.com/muster-go/muster/claimer/fence"
)

// Maximum keeps the greatest token that was seen. A Fence calls one method at a time.
type Maximum interface {
	// Load gives the token that was kept last, 0 if there is none.
	Load(ctx context.Context) (uint64, error)
	// Keep replaces it by a greater one. Once it returned nil Load gives that one for ever, also after
	// a crash of the machine. After an error either may be there.
	Keep(ctx context.Context, token uint64) error
}

// Config is what a Fence is made of. Election and Maximum are required.
type Config struct {
	// Election is the one whose tokens are believed.
	Election string
	// Maximum keeps the greatest token. It is this Fence's alone, and the caller closes it.
	Maximum Maximum
	// Logger hears when the fence is raised, and when that fails. Default: slog.Default().
	Logger *slog.Logger
}

// Validate refuses a Config that can't work, with fence.ErrInvalid.
func (c Config) Validate() error {
	switch {
	case c.Election == "":
		return fmt.Errorf("HTTP fence: no Election: name the one whose holders send requests: %w", fence.ErrInvalid)
	case c.Maximum == nil:
		return fmt.Errorf("HTTP fence of election %q: no Maximum: give it one, for example of OpenFile: %w", c.Election, fence.ErrInvalid)
	}
	return nil
}

// Fence lets requests through in the order of their tokens. It needs no Close.
type Fence struct {
	cfg     Config
	raising chan struct{} // capacity 1: holds a token while the maximum is raised

	mu      sync.Mutex
	seen    uint64 // is kept already
	running map[*running]struct{}
	changed chan struct{} // closed when a request ends or the fence is raised; nil: no request waits
}

// running is a request whose handler hasn't returned.
type running struct {
	token  uint64
	cancel context.CancelCauseFunc
}

// New makes a Fence, which begins where its Maximum stands.
func New(ctx context.Context, cfg Config) (*Fence, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	seen, err := cfg.Maximum.Load(ctx)
	if err != nil {
		return nil, fmt.Errorf("HTTP fence of election %q: %w", cfg.Election, err)
	}
	return &Fence{cfg: cfg, raising: make(chan struct{}, 1), seen: seen, running: map[*running]struct{}{}}, nil
}

// Handler has next serve what the fence lets through, and refuses the rest; see the package's
// promises. All handlers of one Fence share its token. It waits for the handlers of smaller tokens,
// for as long as the request's context lasts.
func (f *Fence) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, code, err := token(r.Header, f.cfg.Election)
		if err != nil {
			http.Error(w, err.Error(), code)
			return
		}
		ctx, cancel := context.WithCancelCause(r.Context())
		defer cancel(nil)
		this := &running{token: token, cancel: cancel}
		if err := f.enter(ctx, this); err != nil {
			code := http.StatusServiceUnavailable
			if stale := (*fence.StaleError)(nil); errors.As(err, &stale) {
				code = http.StatusPreconditionFailed
				w.Header().Set(HeaderToken, strconv.FormatUint(stale.Fence, 10))
			}
			http.Error(w, err.Error(), code)
			return
		}
		defer f.leave(this)
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// enter blocks until it is the request's turn.
func (f *Fence) enter(ctx context.Context, this *running) error {
	if err := f.raise(ctx, this.token); err != nil {
		return fmt.Errorf("election %q: token %d: %w", f.cfg.Election, this.token, err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for {
		if this.token < f.seen {
			return f.stale(this)
		}
		if !f.behind(this.token) {
			f.running[this] = struct{}{}
			return nil
		}
		if f.changed == nil {
			f.changed = make(chan struct{})
		}
		changed := f.changed
		f.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
		}
		f.mu.Lock()
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("election %q: token %d: a request with a smaller token still runs: %w", f.cfg.Election, this.token, err)
		}
	}
}

// behind says whether a request with a smaller token still runs.
func (f *Fence) behind(token uint64) bool {
	for other := range f.running {
		if other.token < token {
			return true
		}
	}
	return false
}

func (f *Fence) leave(this *running) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.running, this)
	f.wake()
}

// wake has waiting requests look again; f.mu is held.
func (f *Fence) wake() {
	if f.changed != nil {
		close(f.changed)
		f.changed = nil
	}
}

// raise keeps the token, if it is greater than all before, and ends what runs for those.
func (f *Fence) raise(ctx context.Context, token uint64) error {
	if token <= f.greatest() {
		return nil
	}
	select {
	case f.raising <- struct{}{}:
		defer func() { <-f.raising }()
	case <-ctx.Done():
		return ctx.Err()
	}
	before := f.greatest()
	if token <= before {
		return nil
	}
	if err := f.cfg.Maximum.Keep(ctx, token); err != nil {
		f.cfg.Logger.Error("the fence can't be raised: requests are refused", "election", f.cfg.Election, "token", token, "error", err)
		return fmt.Errorf("the greatest token can't be kept: %w", err)
	}
	f.cfg.Logger.Info("fence raised", "election", f.cfg.Election, "token", token, "before", before)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.seen = token
	for other := range f.running {
		other.cancel(f.stale(other))
	}
	f.wake()
	return nil
}

func (f *Fence) greatest() uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.seen
}

// stale is why a request is refused; f.mu is held.
func (f *Fence) stale(r *running) error {
	return &fence.StaleError{What: fmt.Sprintf("election %q", f.cfg.Election), Token: r.token, Fence: f.seen}
}
