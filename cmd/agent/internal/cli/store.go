package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/muster-go/muster/cmd/agent/internal/exit"
	"github.com/muster-go/muster/cmd/agent/internal/say"
	"github.com/muster-go/muster/internal/bootclock"
	"github.com/muster-go/muster/store"
)

// storeURL is which store to use, and how we know.
type storeURL struct {
	url       string
	isDefault bool   // it is the embedded default, whoever named it
	dir       string // of the default store
}

// storeURL takes the flag, else the environment, else the default.
func (p *program) storeURL() (storeURL, error) {
	if err := p.common.store.check("--store"); err != nil {
		return storeURL{}, err
	}
	dir, dirErr := stateDir()
	standard := fileURL(filepath.Join(dir, "muster.db"))
	given := p.common.store.text
	if given == "" {
		given = os.Getenv("MUSTER_STORE")
	}
	switch {
	case given == "" && dirErr != nil:
		return storeURL{}, exit.Errorf(exit.Value, "no place for the embedded store (%w): set HOME or XDG_STATE_HOME, or name a store with --store", dirErr)
	case given == "" || given == standard:
		return storeURL{url: standard, isDefault: true, dir: dir}, nil
	}
	if err := p.openers.Check(given); err != nil {
		return storeURL{}, err
	}
	return storeURL{url: given}, nil
}

// stateDir is where this user's programs keep their state.
func stateDir() (string, error) {
	if dir := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "muster"), nil
	}
	home, err := os.UserHomeDir()
	switch {
	case err != nil:
		return "", err
	case runtime.GOOS == "darwin":
		return filepath.Join(home, "Library", "Application Support", "muster"), nil
	}
	return filepath.Join(home, ".local", "state", "muster"), nil
}

func fileURL(path string) string {
	return (&url.URL{Scheme: "sqlite", Path: path}).String()
}

// open opens the store and makes sure, within the timeout, that it answers; a driver that hangs
// is left behind. The error says what to do; its exit code is 69, 77 or 78.
func (p *program) open(ctx context.Context, s settings, metrics prometheus.Registerer) (*store.Store, error) {
	if err := s.store.makeDir(); err != nil {
		return nil, err
	}
	s.log.Debug("opening the store", "url", store.Redact(s.store.url))
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	type result struct {
		store *store.Store
		err   error
	}
	done := make(chan result, 1)
	var refused atomic.Pointer[error] // why the latest of the tries so far failed
	go func() {
		opened, err := p.contact(ctx, s, metrics, &refused)
		done <- result{opened, err}
	}()
	var r result
	select {
	case r = <-done:
	case <-ctx.Done():
		r.err = ctx.Err()
	}
	name := store.Redact(s.store.url)
	switch {
	case r.err == nil:
		return r.store, nil
	case errors.Is(r.err, context.Canceled):
		return nil, r.err
	case errors.Is(r.err, context.DeadlineExceeded) && refused.Load() != nil:
		return nil, exit.Errorf(exit.Unavailable, "store %s can't be reached within %s: %w: mend that, or allow more time with --timeout",
			name, say.Length(s.timeout), *refused.Load())
	case errors.Is(r.err, context.DeadlineExceeded):
		return nil, exit.Errorf(exit.Unavailable, "store %s did not answer within %s: see that it runs and can be reached, or allow more time with --timeout: %w",
			name, say.Length(s.timeout), store.ErrUnreachable)
	case permanent(r.err) && strings.HasPrefix(r.err.Error(), "store URL "):
		return nil, r.err // it names the store already
	case permanent(r.err):
		return nil, fmt.Errorf("store %s: %w", name, r.err)
	}
	return nil, exit.Errorf(exit.Unavailable, "store %s can't be reached: %w: see that it runs and can be reached", name, r.err)
}

// contact opens the store and tries again, until ctx ends, while it can't be reached; refused gets
// what the store said, which is more than that time ran out.
func (p *program) contact(ctx context.Context, s settings, metrics prometheus.Registerer, refused *atomic.Pointer[error]) (*store.Store, error) {
	for {
		opened, err := p.openers.Open(ctx, s.store.url, store.Config{Logger: s.log, Metrics: metrics})
		if err == nil {
			if err = opened.Ping(ctx); err == nil {
				return opened, nil
			}
			err = errors.Join(err, opened.Close())
		}
		if permanent(err) {
			return nil, err
		}
		if !errors.Is(err, context.DeadlineExceeded) {
			refused.Store(&err)
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(err, ctx.Err())
		case <-bootclock.Clock.After(200 * time.Millisecond):
		}
	}
}

func permanent(err error) bool {
	return errors.Is(err, store.ErrInvalid) || errors.Is(err, store.ErrUnauthorized) || errors.Is(err, context.Canceled)
}

// oneShot opens the store for a command that asks it something and is done: run gets a context
// that ends with the timeout.
func (p *program) oneShot(ctx context.Context, s settings, run func(context.Context, *store.Store) error) error {
	opened, err := p.open(ctx, s, nil)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	err = run(ctx, opened)
	closeBounded(opened)
	if err != nil && errors.Is(err, context.DeadlineExceeded) {
		return exit.Errorf(exit.Unavailable, "store %s did not answer within %s: %w", store.Redact(s.store.url), say.Length(s.timeout), err)
	}
	return err
}

// makeDir makes the folder of the default store.
func (s storeURL) makeDir() error {
	if !s.isDefault {
		return nil
	}
	err := os.MkdirAll(s.dir, 0o700)
	if err == nil {
		return nil
	}
	code := exit.Value
	if errors.Is(err, fs.ErrPermission) {
		code = exit.Denied
	}
	return exit.Errorf(code, "can't make the folder of the embedded store: %w: make it yourself, or name a store with --store", err)
}

// private says whether no other process can use the store.
func (s storeURL) private() bool { return strings.HasPrefix(s.url, "mem:") }

// storeFlag is what to type so that another command uses the same store; empty for the default. A
// password is left for the user to fill in.
func (s storeURL) storeFlag() string {
	if s.isDefault {
		return ""
	}
	return " --store " + shellQuote(store.Redact(s.url))
}

// shellQuote quotes a word for a POSIX shell, if it must be.
func shellQuote(word string) string {
	if word != "" && !strings.ContainsFunc(word, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./:=,@%+", r))
	}) {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
