package servertest

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"
)

// PgBouncer is a pooler before a PostgreSQL server: it has one connection to it for each database, which
// it gives to another client after each transaction.
func PgBouncer(behind *Server) *Kind {
	return &Kind{
		Name: "PgBouncer", Ports: 1, User: "postgres",
		Missing: func() string {
			if program("pgbouncer") == "" {
				return "the program pgbouncer is not installed"
			}
			return ""
		},
		Prepare: func(s *Server) error {
			return os.WriteFile(filepath.Join(s.Dir, "pgbouncer.ini"), fmt.Appendf(nil, `[databases]
* = host=127.0.0.1 port=%d user=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = %d
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 1
max_client_conn = 500
`, behind.Port(0), s.Port(0)), 0o644)
		},
		Command: func(s *Server) (*exec.Cmd, error) {
			return exec.Command(program("pgbouncer"), filepath.Join(s.Dir, "pgbouncer.ini")), nil
		},
		Ready: func(ctx context.Context, s *Server) error {
			c, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "tcp", net.JoinHostPort(host, strconv.Itoa(s.Port(0))))
			if err != nil {
				return err
			}
			return c.Close()
		},
	}
}
