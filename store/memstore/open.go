package memstore

import (
	"context"
	"fmt"
	"net/url"

	"github.com/muster-go/muster/store"
)

// Open is the store.Opener for "mem://": a fresh private service on clk, gone with its driver.
func Open(_ context.Context, u *url.URL, clk store.Clock) (store.Driver, error) {
	if err := checkURL(u); err != nil {
		return nil, err
	}
	return NewService(clk).Open(), nil
}

// Opener gives a store.Opener for "mem://" whose drivers are all clients of service. The clock is
// the service's own.
func Opener(service *Service) store.Opener {
	return func(_ context.Context, u *url.URL, _ store.Clock) (store.Driver, error) {
		if err := checkURL(u); err != nil {
			return nil, err
		}
		return service.Open(), nil
	}
}

func checkURL(u *url.URL) error {
	if u.Host == "" && (u.Path == "" || u.Path == "/") && u.RawQuery == "" && u.Opaque == "" && u.User == nil && u.Fragment == "" {
		return nil
	}
	return fmt.Errorf("store URL %q: a memory store is private to the program and has no name, path or options: use mem://: %w", store.Redact(u.String()), store.ErrInvalid)
}
