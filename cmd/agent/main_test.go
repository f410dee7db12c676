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
	"github.com/muster-go/muster/store"
	"github.com/muster-go/muster/store/storetest"
)

// The test binary is also the agent, its guardian and the commands that the agent runs: with
// agentEnv set it is the agent, and with a word of helpers as its first argument the command.
const (
	agentEnv = "MUSTER_TEST_AGENT"
	hangEnv  = "MUSTER_TEST_HANG" // a file: while it exists every call of the store hangs
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
	os.Exit(m.Run())
}

// testOpeners are the agent's, with faults that tests can switch on.
func testOpeners() store.Openers {
	all := openers()
	sqlite := all["sqlite"]
	all["sqlite"] = func(ctx context.Context, u *url.URL, clk store.Clock) (store.Driver, error) {
		driver, err := sqlite(ctx, u, clk)
		file := os.Getenv(hangEnv)
		if err != nil || file == "" {
			return driver, err
		}
		faulty := storetest.WithFaults(driver, clk)
		go hangWhile(file, faulty)
		return faulty, nil
	}
	all["hang"] = func(context.Context, *url.URL, store.Clock) (store.Driver, error) {
		select {} // as some client libraries do
	}
	all["locked"] = func(context.Context, *url.URL, store.Clock) (store.Driver, error) {
		return nil, fmt.Errorf("the password is wrong: %w", store.ErrUnauthorized)
	}
	return all
}

// hangWhile makes every call hang, its context ignored, while the file exists.
func hangWhile(file string, faulty *storetest.Faults) {
	hanging := false
	for range time.Tick(5 * time.Millisecond) {
		_, err := os.Stat(file)
		switch exists := err == nil; {
		case exists && !hanging:
			faulty.Inject(storetest.Fault{Kind: storetest.Hang})
		case !exists && hanging:
			faulty.Heal()
		}
		hanging = err == nil
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
