package daemon_test

import (
	"context"
	"flag"
	"fmt"
	"net/url"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/muster-go/muster/cmd/agent/internal/cli"
	"github.com/muster-go/muster/cmd/agent/internal/guard"
	"github.com/muster-go/muster/internal/bootclock"
	"github.com/muster-go/muster/store"
	"github.com/muster-go/muster/store/memstore"
	"github.com/muster-go/muster/store/sqlstore"
	"github.com/muster-go/muster/store/storetest"
)

// The test binary is also the agent, its guardian and the commands that the agent runs: with
// agentEnv set it is the agent, and with a word of helpers as its first argument the command.
const (
	agentEnv = "MUSTER_TEST_AGENT"
	faultEnv = "MUSTER_TEST_FAULT" // a file: while it exists every call of the store fails, or hangs if it says so
)

func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		if os.Args[1] == guard.Arg {
			guard.Main()
		}
		if help, ok := helpers[os.Args[1]]; ok {
			help(os.Args[2:])
			os.Exit(0)
		}
	}
	if os.Getenv(agentEnv) != "" {
		os.Exit(cli.Main(os.Args[1:], openers()))
	}
	flag.Parse()
	if err := flag.Set("test.parallel", "6"); err != nil { // the tests wait, for the most part
		panic(err)
	}
	goleak.VerifyTestMain(m)
}

// openers are drivers that tests can disturb with the file of faultEnv; hang never opens, and locked
// refuses everybody.
func openers() store.Openers {
	return store.Openers{
		"mem":    memstore.Open,
		"sqlite": disturbed(sqlstore.OpenSQLite),
		"hang": func(context.Context, *url.URL, store.Clock) (store.Driver, error) {
			select {} // as some client libraries do
		},
		"locked": func(context.Context, *url.URL, store.Clock) (store.Driver, error) {
			return nil, fmt.Errorf("the password is wrong: %w", store.ErrUnauthorized)
		},
	}
}

func disturbed(open store.Opener) store.Opener {
	file := os.Getenv(faultEnv)
	if file == "" {
		return open
	}
	return func(ctx context.Context, u *url.URL, clk store.Clock) (store.Driver, error) {
		if _, err := os.Stat(file); err == nil {
			return nil, fmt.Errorf("no route to the store: %w", store.ErrUnreachable)
		}
		driver, err := open(ctx, u, clk)
		if err != nil {
			return nil, err
		}
		faulty := storetest.WithFaults(driver, clk)
		go func() {
			down := false
			for range time.Tick(5 * time.Millisecond) {
				word, err := os.ReadFile(file)
				switch {
				case err == nil && !down && string(word) == "hang":
					faulty.Inject(storetest.Fault{Kind: storetest.Hang})
				case err == nil && !down:
					faulty.Inject(storetest.Fault{Kind: storetest.Fail})
				case err != nil && down:
					faulty.Heal()
				}
				down = err == nil
			}
		}()
		return faulty, nil
	}
}

// helpers are the commands that tests run under the agent.
var helpers = map[string]func(args []string){
	"helper-live":  func(args []string) { live(args[0]) },
	"helper-exit":  func(args []string) { n, _ := strconv.Atoi(args[0]); fmt.Println("ran"); os.Exit(n) },
	"helper-deaf":  func(args []string) { signal.Ignore(syscall.SIGTERM, syscall.SIGINT); live(args[0]) },
	"helper-print": func(args []string) { fmt.Println(os.ExpandEnv(args[0])); select {} },
}

// live adds a line to a file when it begins, and holds a lock on it for as long as it lives: a second
// one that begins meanwhile says so.
func live(path string) {
	began := bootclock.FromBoot(bootclock.Clock.Now())
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		panic(err)
	}
	alone := "alone"
	if syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) != nil {
		alone = "NOT-ALONE"
	}
	fmt.Fprintf(file, "%d %s %s %s %d\n", os.Getpid(), os.Getenv("MUSTER_NODE"), os.Getenv("MUSTER_TOKEN"), alone, began)
	select {}
}
