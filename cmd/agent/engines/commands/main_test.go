// Package commands_test tries every command of the agent on each kind of store, where nothing but the URL
// differs.
package commands_test

import (
	"flag"
	"testing"

	"github.com/muster-go/muster/cmd/agent/engines/enginestest"
)

func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", "6"); err != nil { // they wait, for the most part; but each runs many processes
		panic(err)
	}
	enginestest.Main(m)
}
