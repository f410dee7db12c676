package leadership_test

import (
	"runtime"
	"testing"

	"go.uber.org/goleak"
)

// With one processor goroutines come to rest in an order that depends on little but their program;
// see package sim.
func TestMain(m *testing.M) {
	runtime.GOMAXPROCS(1)
	goleak.VerifyTestMain(m)
}
