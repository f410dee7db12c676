package etcdutil_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"time"

	etcd "go.etcd.io/etcd/client/v3"

	"github.com/muster-go/muster/compat/etcdutil"
)

// A service of which one instance works. It speaks to the etcd that ETCD3_ENDPOINT names.
func Example() {
	client, err := etcdutil.NewClient(nil)
	if err != nil {
		slog.Error("no client", "err", err)
		return
	}
	defer func() { _ = client.Close() }()

	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	election, err := etcdutil.NewElection(ctx, client, etcdutil.ElectionConfig{
		Election:  "my-service",
		Candidate: "worker-n01",
		TTL:       5,
		EventObserver: func(e etcdutil.ElectionEvent) {
			slog.Info("election", "leads", e.IsLeader, "leader", e.LeaderData, "err", e.Err)
		},
	})
	if err != nil {
		slog.Error("no election", "err", err)
		return
	}
	defer election.Close()

	stop, end := signal.NotifyContext(context.Background(), os.Interrupt)
	defer end()
	for tick := time.Tick(2 * time.Second); ; {
		select {
		case <-tick:
			if election.IsLeader() {
				fmt.Println("work")
			}
		case <-stop.Done():
			return
		}
	}
}

// What is set wins over the environment.
func ExampleNewConfig() {
	_ = os.Setenv("ETCD3_USER", "root")
	_ = os.Setenv("ETCD3_ENDPOINT", "etcd-n01:2379, etcd-n02:2379")
	defer func() { _, _ = os.Unsetenv("ETCD3_USER"), os.Unsetenv("ETCD3_ENDPOINT") }()
	cfg, err := etcdutil.NewConfig(&etcd.Config{Username: "kit"})
	fmt.Println(cfg.Username, cfg.Endpoints, err)
	// Output: kit [etcd-n01:2379 etcd-n02:2379] <nil>
}

// Code that takes a LeaderElector can be tested without etcd.
func ExampleAlwaysLeaderMock() {
	work := func(elector etcdutil.LeaderElector) string {
		if elector.IsLeader() {
			return "works"
		}
		return "waits"
	}
	fmt.Println(work(&etcdutil.AlwaysLeaderMock{}))
	// Output: works
}
