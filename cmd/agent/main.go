// Agent is the daemon and command line of Muster: it runs commands where they lead, and shows who
// leads.
package main

import (
	"os"

	"github.com/muster-go/muster/cmd/agent/internal/cli"
	"github.com/muster-go/muster/cmd/agent/internal/guard"
	"github.com/muster-go/muster/store"
	"github.com/muster-go/muster/store/consulstore"
	"github.com/muster-go/muster/store/etcdstore"
	"github.com/muster-go/muster/store/memstore"
	"github.com/muster-go/muster/store/sqlstore"
	"github.com/muster-go/muster/store/sqlstore/mysql"
	"github.com/muster-go/muster/store/sqlstore/postgres"
	"github.com/muster-go/muster/store/zkstore"
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == guard.Arg {
		guard.Main()
	}
	os.Exit(cli.Main(os.Args[1:], openers()))
}

// openers are the drivers that this program links.
func openers() store.Openers {
	return store.Openers{
		"consul":     consulstore.Open,
		"etcd":       etcdstore.Open,
		"exhibitor":  zkstore.OpenExhibitor,
		"mariadb":    mysql.Open,
		"mem":        memstore.Open,
		"mysql":      mysql.Open,
		"postgres":   postgres.Open,
		"postgresql": postgres.Open,
		"sqlite":     sqlstore.OpenSQLite,
		"zk":         zkstore.Open,
	}
}
