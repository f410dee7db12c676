package enginestest

import (
	"strings"
	"testing"
	"time"

	"github.com/muster-go/muster/internal/servertest"
	"github.com/muster-go/muster/store"
)

// Engine is a kind of store.
type Engine struct {
	Name string
	// Server says in prose what runs behind it.
	Server string
	// TTL is the shortest that is sensible in a test.
	TTL time.Duration
	// Opener is its driver.
	Opener store.Opener
	// Missing says what the machine lacks for it; empty: nothing.
	Missing func() string

	start func(t testing.TB) *Store
}

// Store is a store of a test's own.
type Store struct {
	Engine Engine
	// Stop ends the servers as a crash does, so that nobody can use the store; Start undoes it.
	// They are for the test's goroutine.
	Stop, Start func()

	addrs []string // of the servers; none: it is reached without a network
	url   func(t testing.TB, addrs []string) string
}

// Engines is the table.
func Engines() []Engine {
	return []Engine{sqlite, etcdOf("etcd", "one node", 1), etcdOf("etcd-3", "three nodes", 3), postgreSQL, mariaDB, zooKeeper, exhibitor, consul}
}

// Start starts a store of the test's own, which ends with it. The test is skipped, or fails, as
// servertest.Need says if the machine lacks what it needs.
func (e Engine) Start(t testing.TB) *Store {
	t.Helper()
	s := e.start(t)
	s.Engine = e
	return s
}

// Remote says whether the store is reached through a network, so that lines to it can be frozen.
func (s *Store) Remote() bool { return len(s.addrs) > 0 }

// URL is the store's URL.
func (s *Store) URL(t testing.TB) string { return s.url(t, s.addrs) }

// FreshURL is the store's URL with the word that nobody lives who knew an older store at its place:
// nobody waits then until a new store is old enough to be led in.
func (s *Store) FreshURL(t testing.TB) string { return fresh(s.URL(t)) }

func fresh(storeURL string) string {
	if strings.Contains(storeURL, "?") {
		return storeURL + "&fresh=true"
	}
	return storeURL + "?fresh=true"
}

// Line gives a connection of its own with the store.
func (s *Store) Line(t testing.TB) *Line {
	t.Helper()
	l := &Line{}
	addrs := make([]string, 0, len(s.addrs))
	for _, addr := range s.addrs {
		p := servertest.NewProxy(t, addr)
		l.proxies, addrs = append(l.proxies, p), append(addrs, p.Endpoint())
	}
	l.URL = s.url(t, addrs)
	return l
}

// FreshLine is Line with a URL like FreshURL's.
func (s *Store) FreshLine(t testing.TB) *Line {
	t.Helper()
	l := s.Line(t)
	l.URL = fresh(l.URL)
	return l
}

// Line is a client's connection with a store.
type Line struct {
	URL     string // of the store, through the line
	proxies []*servertest.Proxy
}

// Freeze lets no byte pass, and keeps every connection open.
func (l *Line) Freeze() {
	for _, p := range l.proxies {
		p.BlackHole()
	}
}

// Thaw undoes Freeze.
func (l *Line) Thaw() {
	for _, p := range l.proxies {
		p.Heal()
	}
}

// Messages counts how often something was sent to the servers: see servertest.Proxy.
func (l *Line) Messages() int64 {
	var sum int64
	for _, p := range l.proxies {
		sum += p.Messages()
	}
	return sum
}

// nothing is missing for engines that the program brings along.
func nothing() string { return "" }
