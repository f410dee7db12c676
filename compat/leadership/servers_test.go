package leadership_test

import (
	"context"
	"crypto/rand"
	"database/sql"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/compat/leadership"
	"github.com/muster-go/muster/internal/servertest"
	"github.com/muster-go/muster/store"
)

// patience bounds every wait in real time: far beyond what anything takes.
const patience = 30 * time.Second

// engine is a kind of database server that the flag is for.
type engine struct {
	name   string
	kind   *servertest.Kind
	handle func(t testing.TB, addr, database string) *sql.DB
}

var engines = []engine{
	{"PostgreSQL", servertest.PostgreSQL, func(t testing.TB, addr, database string) *sql.DB {
		if database == "" {
			database = "postgres"
		}
		cfg, err := pgx.ParseConfig("postgres://postgres@" + addr + "/" + database + "?sslmode=disable")
		require.NoError(t, err)
		return stdlib.OpenDB(*cfg)
	}},
	{"MariaDB", servertest.MariaDB, func(t testing.TB, addr, database string) *sql.DB {
		cfg := mysql.NewConfig()
		cfg.User, cfg.Net, cfg.Addr, cfg.DBName, cfg.Logger = "root", "tcp", addr, database, &mysql.NopLogger{}
		connector, err := mysql.NewConnector(cfg)
		require.NoError(t, err)
		return sql.OpenDB(connector)
	}},
}

// group is a database of a test's own, and its processes.
type group struct {
	testing.TB
	engine
	server   *servertest.Server
	database string
}

// onEach runs a test on each kind of server.
func onEach(t *testing.T, start func(testing.TB, *servertest.Kind) *servertest.Server, f func(g *group)) {
	for _, e := range engines {
		t.Run("on "+e.name, func(t *testing.T) {
			t.Parallel()
			g := &group{TB: t, engine: e, server: start(t, e.kind), database: "t" + strings.ToLower(rand.Text()[:12])}
			db := e.handle(t, g.server.Addr(), "")
			defer func() { _ = db.Close() }()
			_, err := db.Exec("CREATE DATABASE " + g.database)
			require.NoError(t, err)
			f(g)
		})
	}
}

// process gives a builder for a process that reaches the database through a proxy. A claim of its flag
// lasts for 1.3 s.
func (g *group) process(name string) (*leadership.FlagBuilder, *servertest.Proxy) {
	g.Helper()
	proxy := servertest.NewProxy(g, g.server.Addr())
	db := g.handle(g, proxy.Endpoint(), g.database)
	g.Cleanup(func() {
		proxy.Close() // or closing waits for what hangs
		_ = db.Close()
	})
	return leadership.NewFlag().Name("jobs").Process(name).Logger(quiet).Handle(db).Fresh(true).
		Interval(time.Second).Jitter(0.1).Timeout(200 * time.Millisecond), proxy
}

func (g *group) build(b *leadership.FlagBuilder) *leadership.Flag {
	g.Helper()
	f, err := b.Build(context.Background())
	require.NoError(g, err)
	g.Cleanup(func() { _ = f.Close() })
	return f
}

func (g *group) raised(f *leadership.Flag, why string) {
	g.Helper()
	require.Eventually(g, f.Raised, patience, 5*time.Millisecond, why)
}

func TestOneOfThreeProcessesHasTheFlag(t *testing.T) {
	onEach(t, servertest.Shared, func(g *group) {
		var flags []*leadership.Flag
		for _, name := range []string{"one", "two", "three"} {
			b, _ := g.process(name)
			flags = append(flags, g.build(b))
		}
		for len(flags) > 0 {
			var up []int
			require.Eventually(g, func() bool {
				up = up[:0]
				for i, f := range flags {
					if f.Raised() {
						up = append(up, i)
					}
				}
				// Between two looks the first may have lost it to the second: so look again.
				if len(up) > 1 && flags[up[0]].Raised() {
					g.Errorf("two have it")
				}
				return len(up) == 1
			}, patience, 5*time.Millisecond)
			require.NoError(g, flags[up[0]].Close())
			flags = append(flags[:up[0]], flags[up[0]+1:]...)
		}
	})
}

func TestAConnectionThatIsOpenAndDeadLowersTheFlagInTime(t *testing.T) {
	onEach(t, servertest.Shared, func(g *group) {
		b, proxy := g.process("one")
		one := g.build(b)
		g.raised(one, "the first")
		b, _ = g.process("two")
		two := g.build(b)
		var overlap sync.Once
		stop, watched := make(chan struct{}), make(chan struct{})
		go func() { // looks all the time
			defer close(watched)
			for {
				select {
				case <-stop:
					return
				default:
					if two.Raised() && one.Raised() {
						overlap.Do(func() { g.Errorf("two have it") })
					}
				}
			}
		}()
		proxy.BlackHole()
		g.raised(two, "the next")
		close(stop)
		<-watched
		require.False(g, one.Raised())
		closed := make(chan struct{})
		go func() {
			defer close(closed)
			_ = one.Close()
		}()
		select {
		case <-closed:
		case <-time.After(patience):
			require.Fail(g, "Close waits for a dead connection")
		}
	})
}

func TestAServerThatIsRestartedHasOneLeaderAfterwards(t *testing.T) {
	onEach(t, servertest.Start, func(g *group) {
		b, _ := g.process("one")
		one := g.build(b)
		g.raised(one, "the first")
		b, _ = g.process("two")
		two := g.build(b)
		g.server.Stop()
		require.Eventually(g, func() bool { return !one.Raised() && !two.Raised() }, patience, 5*time.Millisecond)
		late, _ := g.process("late")
		three := g.build(late) // a server that doesn't answer is no error
		g.server.Start()
		require.Eventually(g, func() bool { return one.Raised() || two.Raised() || three.Raised() }, patience, 5*time.Millisecond)
	})
}

func TestAFrozenServerHoldsUpNeitherRaisedNorClose(t *testing.T) {
	onEach(t, servertest.Start, func(g *group) {
		b, _ := g.process("one")
		one := g.build(b)
		g.raised(one, "the first")
		g.server.Freeze()
		defer g.server.Thaw()
		require.Eventually(g, func() bool { return !one.Raised() }, patience, 5*time.Millisecond)
		b, _ = g.process("two")
		two := g.build(b)
		closed := make(chan struct{})
		go func() {
			defer close(closed)
			_, _ = one.Close(), two.Close()
		}()
		select {
		case <-closed:
		case <-time.After(patience):
			require.Fail(g, "Close waits for a frozen server")
		}
	})
}

func TestADatabaseThatDoesNotExistIsAnError(t *testing.T) {
	for _, e := range engines {
		t.Run("on "+e.name, func(t *testing.T) {
			t.Parallel()
			server := servertest.Shared(t, e.kind)
			db := e.handle(t, server.Addr(), "no_such_database")
			defer func() { _ = db.Close() }()
			_, err := leadership.NewFlag().Name("jobs").Process("one").Logger(quiet).Handle(db).Timeout(20 * time.Second).Build(context.Background())
			require.ErrorIs(t, err, store.ErrInvalid)
			require.ErrorContains(t, err, "create the database")
		})
	}
}

func TestAHandleOfNobodyIsTriedForEver(t *testing.T) {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	addr := free.Addr().String()
	require.NoError(t, free.Close())
	for _, e := range engines {
		t.Run("of "+e.name, func(t *testing.T) {
			db := e.handle(t, addr, "x")
			defer func() { _ = db.Close() }()
			f, err := leadership.NewFlag().Name("jobs").Process("one").Logger(quiet).Handle(db).Build(context.Background())
			require.NoError(t, err)
			require.False(t, f.Raised())
			require.NoError(t, f.Close())
		})
	}
}
