// Package measure_test measures how fast each kind of store is, and writes a table of it into a page
// of the documentation. It does nothing among the other tests: "make engines" runs it.
package measure_test

import (
	"flag"
	"testing"

	"github.com/muster-go/muster/cmd/agent/engines/enginestest"
)

var (
	tries = flag.Int("measure.tries", 0, "how often to kill a leader; 0: measure nothing")
	page  = flag.String("measure.page", "", "the file whose table is written anew; empty: it is printed only")
	only  = flag.String("measure.only", "", "the one engine to measure; empty: all")
)

func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", "32"); err != nil { // what is measured in parallel is at rest
		panic(err)
	}
	enginestest.Main(m)
}
