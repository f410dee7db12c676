package enginestest

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/internal/servertest"
	"github.com/muster-go/muster/store/zkstore"
)

var zooKeeper = of("ZooKeeper", "one server with a tick of 100 ms (usual: 2 s)", 2*time.Second, zkstore.Open, servertest.ZooKeeper,
	func(addr string) string { return "zk://" + addr + "/lab" })

var exhibitor = Engine{
	Name: "Exhibitor", Server: "its list of that ZooKeeper", TTL: 2 * time.Second, Opener: zkstore.OpenExhibitor, Missing: servertest.ZooKeeper.Missing,
	start: func(t testing.TB) *Store {
		s := zooKeeper.start(t)
		s.url = func(t testing.TB, addrs []string) string {
			return "exhibitor://" + listing(t, addrs[0]) + "/lab"
		}
		return s
	},
}

// listing is an Exhibitor that lists one server.
func listing(t testing.TB, addr string) (endpoint string) {
	t.Helper()
	host, port, err := net.SplitHostPort(addr)
	require.NoError(t, err)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/exhibitor/v1/cluster/list" {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"servers":[%q],"port":%s}`, host, port)
	}))
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}
