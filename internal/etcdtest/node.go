package etcdtest

import (
	"errors"
	"fmt"
	"net/url"
	"sync"
	"syscall"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
	"google.golang.org/grpc"
)

// patience bounds the waits for a node: far beyond what anything takes, so that a busy machine
// fails no test.
const patience = 60 * time.Second

// Election is the election timeout of all nodes. A lease lives at least 1.5 times as long, rounded
// up to a whole second: 1 s.
const Election = 500 * time.Millisecond

// node is what a running etcd is, and what is needed to run it again.
type node struct {
	name    string
	dir     string // holds nothing, or a node's data
	client  string // host:port
	peer    string // host:port
	members string // of the cluster: name=URL,…
	adjust  func(*embed.Config)
	counter counter

	etcd *embed.Etcd // nil: stopped
	mu   sync.Mutex
	grpc []*grpc.Server // those of the running etcd; guarded by the lock
}

// config is etcd's, with short timeouts and without fsync: the process outlives each "power cut".
func (n *node) config() *embed.Config {
	cfg := embed.NewConfig()
	cfg.Name, cfg.Dir = n.name, n.dir
	cfg.TickMs, cfg.ElectionMs = 50, uint(Election.Milliseconds())
	cfg.UnsafeNoFsync = true
	cfg.LogLevel = "fatal"
	cfg.ListenClientUrls = []url.URL{{Scheme: "http", Host: n.client}}
	cfg.AdvertiseClientUrls = cfg.ListenClientUrls
	cfg.ListenPeerUrls = []url.URL{{Scheme: "http", Host: n.peer}}
	cfg.AdvertisePeerUrls = cfg.ListenPeerUrls
	cfg.InitialCluster = n.members
	cfg.GRPCAdditionalServerOptions = n.counter.options()
	cfg.ServiceRegister = func(s *grpc.Server) {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.grpc = append(n.grpc, s)
	}
	if n.adjust != nil {
		n.adjust(cfg)
	}
	return cfg
}

// start starts the node; ready waits for it.
func (n *node) start() error {
	var err error
	for late := time.Now().Add(patience); time.Now().Before(late); time.Sleep(20 * time.Millisecond) {
		n.etcd, err = embed.StartEtcd(n.config())
		if !errors.Is(err, syscall.EADDRINUSE) {
			break
		}
	}
	if err != nil {
		n.etcd = nil
		return fmt.Errorf("starting etcd %s at %s: %w", n.name, n.client, err)
	}
	return nil
}

// ready waits until the node has a leader and serves its clients.
func (n *node) ready() error {
	select {
	case <-n.etcd.Server.ReadyNotify():
		return nil
	case err := <-n.etcd.Err():
		return fmt.Errorf("etcd %s at %s ended: %w", n.name, n.client, err)
	case <-time.After(patience):
		return fmt.Errorf("etcd %s at %s was not ready within %v", n.name, n.client, patience)
	}
}

// stop ends the node as a crash would: connections break, nothing is handed over.
func (n *node) stop() {
	if n.etcd == nil {
		return
	}
	n.mu.Lock()
	servers := n.grpc
	n.grpc = nil
	n.mu.Unlock()
	for _, s := range servers {
		s.Stop()
	}
	n.etcd.Server.HardStop()
	n.etcd.Close()
	n.etcd = nil
}

// stopped is stop, as an action that can't fail.
func (n *node) stopped() error {
	n.stop()
	return nil
}
