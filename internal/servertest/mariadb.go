package servertest

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
)

// MariaDB has a user "root" without a password and a database "test", and syncs nothing to the disk.
var MariaDB = MariaDBWith()

// MariaDBWith is a MariaDB that is started with more arguments, such as "--read-only=1". Each call
// gives a kind of its own: keep it in a variable to share its server.
func MariaDBWith(arguments ...string) *Kind {
	return &Kind{
		Name: "MariaDB", Ports: 1, User: "mysql",
		Missing: func() string {
			for _, name := range []string{"mariadbd", "mariadb-install-db", "mariadb"} {
				if program(name) == "" {
					return "the program " + name + " is not installed"
				}
			}
			return ""
		},
		Prepare: func(s *Server) error {
			return s.Run(exec.Command(program("mariadb-install-db"), "--no-defaults", "--datadir="+s.Dir,
				"--tmpdir="+s.Dir, "--auth-root-authentication-method=normal", "--skip-name-resolve",
				"--innodb-flush-method=nosync", "--innodb-log-file-size=4M", "--innodb-buffer-pool-size=16M"))
		},
		Command: func(s *Server) (*exec.Cmd, error) {
			// At its start it deletes what it takes for its own in tmpdir, which other servers must not share.
			return exec.Command(program("mariadbd"), slices.Concat([]string{
				"--no-defaults", "--datadir=" + s.Dir, "--tmpdir=" + s.Dir, "--socket=" + filepath.Join(s.Dir, "socket"), "--pid-file=" + filepath.Join(s.Dir, "pid"),
				"--bind-address=127.0.0.1", "--port=" + strconv.Itoa(s.Port(0)), "--skip-name-resolve", "--max-connections=300",
				"--innodb-flush-method=nosync", "--innodb-log-file-size=4M", "--innodb-buffer-pool-size=16M",
			}, arguments)...), nil
		},
		Ready: func(ctx context.Context, s *Server) error {
			out, err := exec.CommandContext(ctx, program("mariadb"), "--no-defaults", "--protocol=tcp", "--host=127.0.0.1",
				"--port="+strconv.Itoa(s.Port(0)), "--user=root", "--skip-ssl", "--execute=CREATE DATABASE IF NOT EXISTS test").CombinedOutput()
			if err != nil {
				return fmt.Errorf("mariadb: %w: %s", err, out)
			}
			return nil
		},
	}
}

// program finds one that may stand outside an ordinary user's PATH; empty: there is none.
func program(name string) string {
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	path, _ := exec.LookPath(filepath.Join("/usr/sbin", name))
	return path
}
