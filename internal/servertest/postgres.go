package servertest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// PostgreSQL has a superuser "postgres" without a password and a database of that name.
var PostgreSQL = &Kind{
	Name: "PostgreSQL", Ports: 1, User: "postgres",
	Missing: func() string {
		if postgresProgram("postgres") == "" {
			return "the program postgres is not installed"
		}
		return ""
	},
	Prepare: func(s *Server) error {
		return s.Run(exec.Command(postgresProgram("initdb"), "-D", s.Dir, "-U", "postgres", "-A", "trust",
			"--no-sync", "--no-instructions", "-E", "UTF8", "--locale=C"))
	},
	Command: func(s *Server) (*exec.Cmd, error) {
		// A crashed server's lock names a process that is no more, or is somebody else's by now.
		_ = os.Remove(filepath.Join(s.Dir, "postmaster.pid"))
		return exec.Command(postgresProgram("postgres"), "-D", s.Dir, "-p", strconv.Itoa(s.Port(0)),
			"-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="+s.Dir,
			"-c", "max_connections=200", "-c", "fsync=off", "-c", "full_page_writes=off"), nil
	},
	Ready: func(ctx context.Context, s *Server) error {
		out, err := exec.CommandContext(ctx, postgresProgram("pg_isready"), "-h", "127.0.0.1", "-p", strconv.Itoa(s.Port(0))).CombinedOutput()
		if err != nil {
			return fmt.Errorf("pg_isready: %w: %s", err, out)
		}
		return nil
	},
}

// postgresProgram finds a program of the newest PostgreSQL that is installed; empty: there is none.
// Debian keeps the server's programs out of the PATH.
func postgresProgram(name string) string {
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/" + name)
	slices.SortFunc(found, func(a, b string) int {
		version := func(path string) int {
			n, _ := strconv.Atoi(strings.Split(path, "/")[4])
			return n
		}
		return version(b) - version(a)
	})
	if len(found) > 0 {
		return found[0]
	}
	path, _ := exec.LookPath(name)
	return path
}
