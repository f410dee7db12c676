package imports

// Rule says what the packages that Who matches may import of this module. Patterns are paths below
// the module's root; "*" stands for one element, and "/..." at the end for any number, none too.
// The first rule that matches a package is its rule.
type Rule struct {
	Who string
	May []string
	Why string
}

// Module is the path of this module.
const Module = "github.com/muster-go/muster"

// everyone may import these.
var everyone = []string{"internal/..."}

// Rules places every package of the module, but for kits: they may import their parent (the folder
// above) and what it may import.
var Rules = []Rule{
	{
		Who: "internal/sim", May: []string{"store", "store/memstore"},
		Why: "it simulates processes on the memory store, and knows nothing of what they do there",
	},
	{
		Who: "internal/sim/leadership",
		Why: "it holds tests only, which are free to import anything; nobody imports it",
	},
	{
		Who: "internal/...",
		Why: "what everyone may import can import nobody, or cycles grow through it",
	},
	{
		Who: "store",
		Why: "the contract stands below everything; it knows neither its drivers nor what is built on it",
	},
	{
		Who: "store/sqlstore", May: []string{"store", "store/sqlstore/internal/..."},
		Why: "it knows the contract, and what all SQL databases share",
	},
	{
		Who: "store/*", May: []string{"store"},
		Why: "a driver knows the contract only: neither another driver nor a capability",
	},
	{
		Who: "store/consulstore/queues",
		Why: "it holds a test only, which is free to import anything; nobody imports it",
	},
	{
		Who: "store/consulstore/rest",
		Why: "it holds a test only, which is free to import anything; nobody imports it",
	},
	{
		Who: "store/etcdstore/queues",
		Why: "it holds a test only, which is free to import anything; nobody imports it",
	},
	{
		Who: "store/etcdstore/rest",
		Why: "it holds a test only, which is free to import anything; nobody imports it",
	},
	{
		Who: "store/etcdstore/scenario",
		Why: "it holds tests only, which are free to import anything; nobody imports it",
	},
	{
		Who: "store/zkstore/ensemble",
		Why: "it holds tests only, which are free to import anything; nobody imports it",
	},
	{
		Who: "store/zkstore/queues",
		Why: "it holds a test only, which is free to import anything; nobody imports it",
	},
	{
		Who: "store/sqlstore/*/queues",
		Why: "it holds a test only, which is free to import anything; nobody imports it",
	},
	{
		Who: "store/sqlstore/internal/...", May: []string{"store", "store/sqlstore/internal/..."},
		Why: "what the SQL databases share knows the contract only, and no client",
	},
	{
		Who: "store/sqlstore/*", May: []string{"store", "store/sqlstore", "store/sqlstore/internal/..."},
		Why: "each database server has a package of its own, and who uses one doesn't link another's client",
	},
	{
		Who: "claimer", May: []string{"store"},
		Why: "a capability works on any driver, so it names none",
	},
	{
		Who: "claimer/fence", May: []string{"claimer"},
		Why: "what fences share names no resource, and no driver: only what a claim is",
	},
	{
		Who: "claimer/fence/*", May: []string{"claimer", "claimer/fence"},
		Why: "each kind of resource has a fence of its own, and who fences rows doesn't link etcd's client",
	},
	{
		Who: "switchset", May: []string{"store"},
		Why: "a capability works on any driver, so it names none; liveness needs no leadership",
	},
	{
		Who: "tracker", May: []string{"claimer"},
		Why: "a user's own three-method Claimer is enough for a tracker, so it knows no store",
	},
	{
		Who: "discovery", May: []string{"tracker", "claimer", "store"},
		Why: "a capability works on any driver, so it names none",
	},
	{
		Who: "discovery/*", May: []string{"discovery", "store"},
		Why: "a bridge to another system's naming stands beside discovery, and who doesn't use it doesn't link it",
	},
	{
		Who: "engine",
		Why: "the engine runs any manifolds, so it knows no capability",
	},
	{
		Who: "manifold", May: []string{"tracker", "claimer", "switchset", "discovery", "store", "engine"},
		Why: "manifolds wrap the capabilities; the driver is the program's choice",
	},
	{
		Who: "cmd/agent/...", May: []string{"engine", "manifold", "discovery/...", "tracker", "switchset", "claimer", "store", "store/*", "store/sqlstore/*", "cmd/agent/internal/..."},
		Why: "the program links everything, and nothing links the program",
	},
	{
		Who: "compat/*", May: []string{"discovery", "tracker", "switchset", "claimer", "store", "store/*", "store/sqlstore/*"},
		Why: "a façade shows the capabilities under another's names",
	},
	{
		Who: "examples/...", May: []string{"engine", "manifold", "discovery/...", "tracker", "switchset", "claimer", "store", "store/*", "store/sqlstore/*", "compat/*"},
		Why: "an example uses what a user can: public packages",
	},
}

// Limit says which packages alone may import a package (or what lies below it) from outside.
type Limit struct {
	Import string
	Who    []string
	Why    string
}

// Limits holds for direct imports, in kits too.
var Limits = []Limit{
	{
		Import: "github.com/juju/worker/v4/dependency",
		Who:    []string{"manifold", "engine", "cmd/agent/...", "examples/...", "engine/enginetest"},
		Why:    "capabilities work without an engine",
	},
	{
		Import: "modernc.org/sqlite",
		Who:    []string{"store/sqlstore"},
		Why:    "a program links only the drivers that it names",
	},
	{
		Import: "go.etcd.io/etcd",
		Who:    []string{"store/etcdstore", "claimer/fence/etcdfence", "compat/etcdutil", "internal/etcdtest"},
		Why:    "a program links only the drivers that it names",
	},
	{
		Import: "github.com/jackc/pgx",
		Who:    []string{"store/sqlstore/postgres"},
		Why:    "a program links only the drivers that it names",
	},
	{
		Import: "github.com/go-sql-driver/mysql",
		Who:    []string{"store/sqlstore/mysql"},
		Why:    "a program links only the drivers that it names",
	},
	{
		Import: "github.com/go-zookeeper/zk",
		Who:    []string{"store/zkstore"},
		Why:    "a program links only the drivers that it names",
	},
	{
		Import: "github.com/hashicorp/consul/api",
		Who:    []string{"store/consulstore"},
		Why:    "a program links only the drivers that it names",
	},
	{
		Import: "github.com/spf13/cobra",
		Who:    []string{"cmd/agent/..."},
		Why:    "the library doesn't carry the command line",
	},
}

// TestOnly are packages (and what lies below them) that only tests and kits may reach, directly or
// through others.
var TestOnly = []string{
	"testing",
	"github.com/anishathalye/porcupine",
	"github.com/juju/clock/testclock",
	"github.com/juju/testing",
	"github.com/juju/worker/v4/workertest",
	"github.com/prometheus/client_golang/prometheus/testutil",
	"github.com/stretchr/testify",
	"go.etcd.io/etcd/server/v3",
	"go.uber.org/goleak",
	"gopkg.in/check.v1",
	"pgregory.net/rapid",
}
