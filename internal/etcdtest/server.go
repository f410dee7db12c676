package etcdtest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"
	"go.uber.org/zap"

	"github.com/muster-go/muster/internal/servertest"
)

// Settings are what a test may want of a Server; the zero value is good.
type Settings struct {
	// Adjust changes etcd's configuration before each start: TLS (with the scheme of
	// ListenClientUrls and AdvertiseClientUrls), limits, compaction. Default: nothing is changed.
	Adjust func(*embed.Config)
}

// Server is an etcd node.
type Server struct {
	t      testing.TB
	node   *node
	copies int // snapshots taken
}

// Start starts a node without data, which is a cluster of its own.
func Start(t testing.TB, settings Settings) *Server {
	t.Helper()
	addrs, err := servertest.FreePorts(2)
	if err != nil {
		t.Fatalf("etcdtest: %v", err)
	}
	s := newServer(t, "n1", addrs[0], addrs[1], "n1=http://"+addrs[1], settings)
	s.Start()
	return s
}

func newServer(t testing.TB, name, client, peer, members string, settings Settings) *Server {
	s := &Server{t: t, node: &node{
		name: name, client: client, peer: peer, members: members,
		dir: filepath.Join(t.TempDir(), name), adjust: settings.Adjust,
	}}
	t.Cleanup(s.node.stop)
	return s
}

// Endpoint is where the node serves clients, as host:port; it never changes.
func (s *Server) Endpoint() string { return s.node.client }

// URL is the store's URL for a prefix ("" for none), through this node.
func (s *Server) URL(prefix string) string { return URL(prefix, s.Endpoint()) }

// URL is the store's URL for a prefix ("" for none) and endpoints of nodes or proxies.
func URL(prefix string, endpoints ...string) string {
	u := "etcd://" + strings.Join(endpoints, ",")
	if prefix != "" {
		u += "/" + strings.TrimPrefix(prefix, "/")
	}
	return u
}

// Client gives a new client of the node that logs nothing; it is closed at the test's end.
func (s *Server) Client() *clientv3.Client {
	s.t.Helper()
	return NewClient(s.t, s.Endpoint())
}

// NewClient gives a client that logs nothing; it is closed at the test's end.
func NewClient(t testing.TB, endpoints ...string) *clientv3.Client {
	t.Helper()
	client, err := clientv3.New(clientv3.Config{Endpoints: endpoints, Logger: zap.NewNop()})
	if err != nil {
		t.Fatalf("etcdtest: a client of %v: %v", endpoints, err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// Requests counts what clients asked of the node since the test began, by method ("Range", "Txn",
// "LeaseGrant"); on streams ("Watch", "LeaseKeepAlive") each message counts.
func (s *Server) Requests() map[string]int { return s.node.counter.all() }

// Start starts a stopped node with the data that it had, and waits until it is ready: a member of a
// cluster needs a majority for that.
func (s *Server) Start() {
	s.t.Helper()
	if s.node.etcd != nil {
		return
	}
	s.check(s.node.start())
	s.check(s.node.ready())
}

// Stop stops the node as a power cut does: connections break at once, nothing is handed over, what
// was committed is kept. Stopping twice is harmless.
func (s *Server) Stop() { s.node.stop() }

// Wipe stops the node and starts it without any data, as if its disk had been lost. Its cluster's
// and its own identity stay the same, since they follow from its settings. For a node of its own
// only, not for a cluster's member.
func (s *Server) Wipe() {
	s.t.Helper()
	s.Stop()
	s.check(os.RemoveAll(s.node.dir))
	s.Start()
}

// Snapshot is a copy of a node's data.
type Snapshot struct{ dir string }

// Snapshot copies the node's data. A running node is stopped for that and started again.
func (s *Server) Snapshot() Snapshot {
	s.t.Helper()
	running := s.node.etcd != nil
	s.Stop()
	s.copies++
	copied := Snapshot{dir: fmt.Sprintf("%s-snapshot-%d", s.node.dir, s.copies)}
	s.check(os.CopyFS(copied.dir, os.DirFS(s.node.dir)))
	if running {
		s.Start()
	}
	return copied
}

// Restore stops the node and starts it with the data of a snapshot of its own: what was committed
// since never happened, and revisions run backwards. A snapshot can be restored again and again.
func (s *Server) Restore(snapshot Snapshot) {
	s.t.Helper()
	s.Stop()
	s.check(os.RemoveAll(s.node.dir))
	s.check(os.CopyFS(s.node.dir, os.DirFS(snapshot.dir)))
	s.Start()
}

func (s *Server) check(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatalf("etcdtest: %v", err)
	}
}
