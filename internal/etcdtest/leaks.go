package etcdtest

import (
	"fmt"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// VerifyTestMain runs a package's tests and fails if goroutines are left over. It is
// goleak.VerifyTestMain for packages that start clusters: connections between members end by a
// timeout of five seconds, for which goleak doesn't wait.
func VerifyTestMain(m *testing.M) {
	code := m.Run()
	if code == 0 {
		var leaks error
		for late := time.Now().Add(15 * time.Second); time.Now().Before(late); {
			if leaks = goleak.Find(); leaks == nil {
				break
			}
		}
		if leaks != nil {
			fmt.Fprintln(os.Stderr, "etcdtest: goroutines are left over:", leaks)
			code = 1
		}
	}
	os.Exit(code)
}
