package enginestest

import (
	"testing"
	"time"

	"github.com/muster-go/muster/internal/etcdtest"
	"github.com/muster-go/muster/store/etcdstore"
)

func etcdOf(name, server string, nodes int) Engine {
	return Engine{
		Name: name, Server: server, TTL: 2 * time.Second, Opener: etcdstore.Open, Missing: nothing,
		start: func(t testing.TB) *Store {
			cluster := etcdtest.StartCluster(t, nodes)
			return &Store{
				addrs: cluster.Endpoints(),
				url:   func(_ testing.TB, addrs []string) string { return etcdtest.URL("lab", addrs...) },
				Stop:  cluster.Stop, Start: cluster.Start,
			}
		},
	}
}
