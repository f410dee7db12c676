package main

import (
	"context"
	"flag"
	"fmt"
	"net/url"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/muster-go/muster/cmd/agent/internal/cli"
	"github.com/muster-go/muster/cmd/agent/internal/guard"
	"github.com/muster-go/muster/internal/etcdtest"
	"github.com/muster-go/muster/store"
	"github.com/muster-go/muster/store/memstore"
	"github.com/muster-go/muster/store/storetest"
)

// The test binary is also the agent, its guardian and the commands that the agent runs: with
// agentEnv set it is the agent, and with a word of helpers as its first argument the command.
const (
	agentEnv = "MUSTER_TEST_AGENT"
	faultEnv = "MUSTER_TEST_FAULT" // a file: while it exists every call of the store hangs, or fails if it says so
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
		os.Exit(cli.Main(os.Args[1:], testOpeners()))
	}
	flag.Parse()
	if err := flag.Set("test.parallel", "6"); err != nil { // the tests wait, for the most part
		panic(err)
	}
	etcdtest.VerifyTestMain(m)
}

// testOpeners are the agent's, with faults that tests can switch on.
func testOpeners() store.Openers {
	all := openers()
	for scheme, open := range all {
		all[scheme] = func(ctx context.Context, u *url.URL, clk store.Clock) (store.Driver, error) {
			driver, err := open(ctx, u, clk)
			file := os.Getenv(faultEnv)
			if err != nil || file == "" {
				return driver, err
			}
			faulty := storetest.WithFaults(driver, clk)
			go faultWhile(file, faulty)
			return faulty, nil
		}
	}
	all["hang"] = func(context.Context, *url.URL, store.Clock) (store.Driver, error) {
		select {} // as some client libraries do
	}
	all["slow"] = func(ctx context.Context, _ *url.URL, clk store.Clock) (store.Driver, error) {
		driver, err := memstore.Open(ctx, &url.URL{Scheme: "mem"}, clk)
		return slow{driver}, err
	}
	all["locked"] = func(context.Context, *url.URL, store.Clock) (store.Driver, error) {
		return nil, fmt.Errorf("the password is wrong: %w", store.ErrUnauthorized)
	}
	return all
}

// slow is a store that can keep no short TTL.
type slow struct{ store.Driver }

// Limits implements store.Driver.
func (s slow) Limits() store.Limits {
	limits := s.Driver.Limits()
	limits.MinTTL = 20 * time.Second
	return limits
}

// The words that a fault's file can hold.
const (
	hangs = "hang" // every call hangs, its context ignored
	fails = "fail" // every call fails
)

// faultWhile disturbs every call while the file exists.
func faultWhile(file string, faulty *storetest.Faults) {
	kinds := map[string]storetest.FaultKind{hangs: storetest.Hang, fails: storetest.Fail}
	disturbed := false
	for range time.Tick(5 * time.Millisecond) {
		word, _ := os.ReadFile(file)
		switch kind, ok := kinds[string(word)]; {
		case ok && !disturbed:
			faulty.Inject(storetest.Fault{Kind: kind})
			disturbed = true
		case len(word) == 0 && disturbed:
			faulty.Heal()
			disturbed = false
		}
	}
}

// tries is how often the tests of what must never happen try: MUSTER_TRIES, else a few.
func tries() int {
	if n, err := strconv.Atoi(os.Getenv("MUSTER_TRIES")); err == nil && n > 0 {
		return n
	}
	if testing.Short() {
		return 1
	}
	return 3
}
