package store

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"regexp"
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
	u, open, err := o.find(rawURL)
	if err != nil {
		return nil, err
	}
	return open(ctx, u, clk)
}

// Check refuses, with ErrInvalid, a URL that can't be read or whose scheme no driver has. It opens
// nothing.
func (o Openers) Check(rawURL string) error {
	_, _, err := o.find(rawURL)
	return err
}

func (o Openers) find(rawURL string) (*url.URL, Opener, error) {
	u, err := parseURL(rawURL)
	if err != nil {
		why := unwrapURL(err).Error()
		if strings.Contains(rawURL, "@") { // why may quote what was meant as a password
			why = "a user, a password or a host with characters that must be percent-encoded"
		}
		return nil, nil, fmt.Errorf("store URL %q can't be read (%s): want one like %s: %w", Redact(rawURL), why, o.example(), ErrInvalid)
	}
	open, ok := o[u.Scheme]
	switch {
	case ok:
		return u, open, nil
	case u.Scheme == "":
		return nil, nil, fmt.Errorf("store URL %q has no scheme: want one like %s: %w", Redact(rawURL), o.example(), ErrInvalid)
	}
	hint := "known are " + strings.Join(o.schemes(), ", ")
	if near := nearest.Name(u.Scheme, o.schemes()); near != "" {
		hint = fmt.Sprintf("did you mean %s? (%s)", near, hint)
	}
	return nil, nil, fmt.Errorf("store URL %q: unknown scheme %q: %s: %w", Redact(rawURL), u.Scheme, hint, ErrInvalid)
}

// parseURL is url.Parse for URLs that may name several hosts, each as url.Parse takes it when alone:
// it refuses lists in which a port is missing or an IPv6 address stands.
func parseURL(rawURL string) (*url.URL, error) {
	u, err := url.Parse(rawURL)
	scheme, rest, ok := strings.Cut(rawURL, "://")
	if err == nil || !ok {
		return u, err
	}
	end := len(rest)
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		end = i
	}
	at := strings.LastIndexByte(rest[:end], '@') + 1
	if !strings.Contains(rest[at:end], ",") {
		return nil, err
	}
	var hosts []string
	for host := range strings.SplitSeq(rest[at:end], ",") {
		one, err := url.Parse(scheme + "://" + host)
		if err != nil {
			return nil, err
		}
		hosts = append(hosts, one.Host)
	}
	if u, err = url.Parse(scheme + "://" + rest[:at] + "host" + rest[end:]); err != nil {
		return nil, err
	}
	u.Host = strings.Join(hosts, ",")
	return u, nil
}

// Redact removes the password from a URL, for messages, and what its parameters password and token say.
func Redact(rawURL string) string {
	rawURL = secret.ReplaceAllString(rawURL, "${1}xxxxx")
	u, err := parseURL(rawURL)
	if err == nil && (u.User != nil || !passwordLike.MatchString(u.Opaque+u.Path)) {
		return u.Redacted()
	}
	if at := strings.LastIndex(rawURL, "@"); at >= 0 {
		return "…" + rawURL[at:]
	}
	return rawURL
}

// secret is a parameter that others mustn't see.
var secret = regexp.MustCompile(`([?&](?:password|token)=)[^&#]*`)

// passwordLike is a user and a password where none belongs, as after slashes that were forgotten.
var passwordLike = regexp.MustCompile(`:.*@|^[^/]+@`)

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
