package servertest

import (
	"context"
	"os"
	"os/exec"
	"testing"
)

// Kind says how a kind of server is run.
type Kind struct {
	// Name is what messages call it.
	Name string
	// Ports is how many ports it needs; clients are served on the first.
	Ports int
	// User is whom it runs as when the tests run as root; empty: root will do.
	User string
	// Missing says what the machine lacks for it; empty: nothing.
	Missing func() string
	// Prepare fills the folder s.Dir, which is empty and belongs to User. It runs before the first
	// start, and again after each Wipe. Nil: nothing is needed.
	Prepare func(s *Server) error
	// Command runs the server in the foreground, with its data in s.Dir. Who runs it, its process group
	// and its output are set by the caller.
	Command func(s *Server) (*exec.Cmd, error)
	// Ready is asked again and again until it gives nil: the server answers clients.
	Ready func(ctx context.Context, s *Server) error
}

// RequireVariable is the environment variable which, set to 1, makes a missing server a failure.
const RequireVariable = "MUSTER_REQUIRE_SERVERS"

// Need skips the test if the machine lacks what the kinds need, or fails it if it must not be skipped.
func Need(t testing.TB, kinds ...*Kind) {
	t.Helper()
	for _, k := range kinds {
		missing := k.Missing()
		switch {
		case missing == "":
		case os.Getenv(RequireVariable) == "1":
			t.Fatalf("servertest: no %s: %s: run 'make servers' (%s=1 forbids to skip this test)", k.Name, missing, RequireVariable)
		default:
			t.Skipf("servertest: no %s: %s: run 'make servers'", k.Name, missing)
		}
	}
}
