package enginestest

import (
	"testing"
	"time"

	"github.com/muster-go/muster/internal/servertest"
	"github.com/muster-go/muster/store"
	"github.com/muster-go/muster/store/consulstore"
	"github.com/muster-go/muster/store/sqlstore/mysql"
	"github.com/muster-go/muster/store/sqlstore/postgres"
)

// of is the engine of a kind of server, a single one of which serves it.
func of(name, server string, ttl time.Duration, open store.Opener, k *servertest.Kind, url func(addr string) string) Engine {
	return Engine{
		Name: name, Server: server, TTL: ttl, Opener: open, Missing: k.Missing,
		start: func(t testing.TB) *Store {
			s := servertest.Start(t, k)
			return &Store{
				addrs: []string{s.Addr()},
				url:   func(_ testing.TB, addrs []string) string { return url(addrs[0]) },
				Stop:  s.Stop, Start: s.Start,
			}
		},
	}
}

var postgreSQL = of("PostgreSQL", "one server", 2*time.Second, postgres.Open, servertest.PostgreSQLWith("fsync=on"),
	func(addr string) string { return "postgres://postgres@" + addr + "/postgres?sslmode=disable" })

var mariaDB = of("MariaDB", "one server", 2*time.Second, mysql.Open, servertest.MariaDBWith("--innodb-flush-method=fsync"),
	func(addr string) string { return "mysql://root@" + addr + "/test" })

var consul = of("Consul", "one server with session_ttl_min = 1 s (usual: 10 s)", time.Second, consulstore.Open, servertest.Consul,
	func(addr string) string { return "consul://" + addr + "/lab" })
