package servertest

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// PostgreSQL has a superuser "postgres" without a password and a database of that name, and syncs
// nothing to the disk.
var PostgreSQL = PostgreSQLWith()

// PostgreSQLWith is a PostgreSQL with more settings, such as "ssl=on". Each call gives a kind of its own:
// keep it in a variable to share its server.
func PostgreSQLWith(settings ...string) *Kind {
	return &Kind{
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
			arguments := []string{"-D", s.Dir, "-p", strconv.Itoa(s.Port(0))}
			for _, setting := range slices.Concat([]string{
				"listen_addresses=127.0.0.1", "unix_socket_directories=" + s.Dir,
				"max_connections=200", "fsync=off", "full_page_writes=off",
			}, settings) {
				arguments = append(arguments, "-c", setting)
			}
			return exec.Command(postgresProgram("postgres"), arguments...), nil
		},
		Ready: func(ctx context.Context, s *Server) error {
			out, err := exec.CommandContext(ctx, postgresProgram("pg_isready"), "-h", "127.0.0.1", "-p", strconv.Itoa(s.Port(0))).CombinedOutput()
			if err != nil {
				return fmt.Errorf("pg_isready: %w: %s", err, out)
			}
			return nil
		},
	}
}

// PostgreSQLStandby is a hot standby of the server at an address, host:port, which it follows without the
// server's waiting for it.
func PostgreSQLStandby(primary string) *Kind {
	k := PostgreSQLWith()
	k.Name = "PostgreSQL standby"
	k.Prepare = func(s *Server) error {
		at, port, err := net.SplitHostPort(primary)
		if err != nil {
			return err
		}
		return s.Run(exec.Command(postgresProgram("pg_basebackup"), "-D", s.Dir, "-U", "postgres", "-h", at,
			"-p", port, "--write-recovery-conf", "--checkpoint=fast", "--no-sync", "--wal-method=stream"))
	}
	return k
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
