package servertest

import (
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

var shared = struct {
	sync.Mutex
	servers map[*Kind]*Server
	errs    map[*Kind]error
}{servers: map[*Kind]*Server{}, errs: map[*Kind]error{}}

// Shared gives the package's one server of a kind, started at the first call. Nobody stops, freezes or
// wipes it. The package's TestMain must call VerifyTestMain.
func Shared(t testing.TB, k *Kind) *Server {
	t.Helper()
	Need(t, k)
	shared.Lock()
	defer shared.Unlock()
	s, err := shared.servers[k], shared.errs[k]
	if s == nil && err == nil {
		if s, err = newServer(k); err == nil {
			err = s.start()
		}
		shared.servers[k], shared.errs[k] = s, err
	}
	if err != nil {
		t.Fatalf("servertest: %v", err)
	}
	return s
}

// VerifyTestMain runs a package's tests, then what is given, stops the shared servers, and fails if
// goroutines are left over: goleak.VerifyTestMain for packages that use servers.
func VerifyTestMain(m *testing.M, after ...func()) {
	code := m.Run()
	for _, do := range after {
		do()
	}
	shared.Lock()
	defer shared.Unlock()
	for _, s := range shared.servers {
		if s != nil {
			s.Stop()
			_ = os.RemoveAll(s.root())
		}
	}
	if code == 0 {
		var leaks error
		for late := time.Now().Add(15 * time.Second); time.Now().Before(late); {
			if leaks = goleak.Find(); leaks == nil {
				break
			}
		}
		if leaks != nil {
			fmt.Fprintln(os.Stderr, "servertest: goroutines are left over:", leaks)
			code = 1
		}
	}
	os.Exit(code)
}
