// Package discover stands in for github.com/hashicorp/go-discover, which looks for servers at cloud
// providers: a Consul for tests never does.
package discover

import (
	"errors"
	"log"
)

// Provider is what Consul expects of one.
type Provider interface {
	Addrs(args map[string]string, l *log.Logger) ([]string, error)
	Help() string
}

// Providers are none.
var Providers = map[string]Provider{}

// Discover finds nothing.
type Discover struct{ Providers map[string]Provider }

// Option is for New.
type Option func(*Discover) error

// New makes a Discover.
func New(...Option) (*Discover, error) { return &Discover{}, nil }

// WithUserAgent has no effect.
func WithUserAgent(string) Option { return func(*Discover) error { return nil } }

// WithProviders has no effect.
func WithProviders(map[string]Provider) Option { return func(*Discover) error { return nil } }

// Names are none.
func (d *Discover) Names() []string { return nil }

// Help is empty.
func (d *Discover) Help() string { return "" }

// Addrs fails.
func (d *Discover) Addrs(string, *log.Logger) ([]string, error) {
	return nil, errors.New("discovery providers are not built in")
}
