package store

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/muster-go/muster/internal/nearest"
)

// Opener opens the driver for a URL. It must fail, with a reason that helps, if the store can't be
// used as the URL says; ErrInvalid for a bad URL or a thing that isn't a store, ErrUnauthorized for
// credentials or permissions, anything else if trying again may help.
type Opener func(ctx context.Context, u *url.URL, clk Clock) (Driver, error)

// Openers maps URL schemes to the drivers that a program links. There is no global registry.
type Openers map[string]Opener

// OpenDriver finds the opener for the URL's scheme and calls it.
func (o Openers) OpenDriver(ctx context.Context, rawURL string, clk Clock) (Driver, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		mend := "want one like " + o.example()
		if _, host, _ := strings.Cut(rawURL, "://"); strings.Contains(host, ",") {
			mend = "of several hosts give each its port, as in scheme://host1:1234,host2:1234/prefix"
		}
		return nil, fmt.Errorf("store URL %q can't be read (%v): %s: %w", Redact(rawURL), unwrapURL(err), mend, ErrInvalid)
	}
	open, ok := o[u.Scheme]
	switch {
	case ok:
		return open(ctx, u, clk)
	case u.Scheme == "":
		return nil, fmt.Errorf("store URL %q has no scheme: want one like %s: %w", Redact(rawURL), o.example(), ErrInvalid)
	}
	hint := "known are " + strings.Join(o.schemes(), ", ")
	if near := nearest.Name(u.Scheme, o.schemes()); near != "" {
		hint = fmt.Sprintf("did you mean %s? (%s)", near, hint)
	}
	return nil, fmt.Errorf("store URL %q: unknown scheme %q: %s: %w", Redact(rawURL), u.Scheme, hint, ErrInvalid)
}

// Redact removes the password from a URL, for messages.
func Redact(rawURL string) string {
	u, err := url.Parse(rawURL)
	if err != nil {
		if at := strings.LastIndex(rawURL, "@"); at >= 0 {
			return "…" + rawURL[at:]
		}
		return rawURL
	}
	return u.Redacted()
}

func (o Openers) schemes() []string {
	names := make([]string, 0, len(o))
	for name := range o {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func (o Openers) example() string {
	if _, ok := o["sqlite"]; ok {
		return "sqlite:///var/lib/muster/muster.db"
	}
	for _, name := range o.schemes() {
		return name + "://…"
	}
	return "scheme://…"
}

func unwrapURL(err error) error {
	if inner, ok := errors.AsType[*url.Error](err); ok {
		return inner.Err
	}
	return err
}
