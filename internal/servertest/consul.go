package servertest

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
)

// Consul is a Consul of one server, which grants sessions from 1 s on, in the datacenter dc1, and knows
// no ACL. Addrs()[1] is for HTTPS, if ConsulWith asks for it.
var Consul = ConsulWith(nil)

// ConsulWith is a Consul with more configuration, in JSON, which goes before its usual one; nil:
// none. Each call gives a kind of its own: keep it in a variable to share its server.
func ConsulWith(config func(s *Server) string) *Kind {
	return &Kind{
		Name: "Consul", Ports: 4,
		Missing: func() string {
			path, err := consulProgram()
			if err != nil {
				return err.Error()
			}
			if _, err := os.Stat(path); err != nil {
				return "it was not built yet"
			}
			return ""
		},
		Prepare: func(s *Server) error {
			configs := []string{fmt.Sprintf(`{
				"server": true, "bootstrap_expect": 1, "node_name": "n1", "data_dir": %q,
				"bind_addr": "127.0.0.1", "client_addr": "127.0.0.1",
				"ports": {"http": %d, "server": %d, "serf_lan": %d, "serf_wan": -1, "dns": -1, "grpc": -1, "grpc_tls": -1},
				"session_ttl_min": "1s", "performance": {"raft_multiplier": 1, "leave_drain_time": "0s"},
				"limits": {"http_max_conns_per_client": 2000},
				"connect": {"enabled": false}, "disable_update_check": true, "disable_remote_exec": true,
				"disable_host_node_id": true, "log_level": "warn"
			}`, filepath.Join(s.Dir, "data"), s.Port(0), s.Port(2), s.Port(3))}
			if config != nil {
				configs = append(configs, config(s))
			}
			for i, text := range configs {
				if err := os.WriteFile(filepath.Join(s.Dir, fmt.Sprintf("%d.json", i)), []byte(text), 0o600); err != nil {
					return err
				}
			}
			return nil
		},
		Command: func(s *Server) (*exec.Cmd, error) {
			path, err := consulProgram()
			if err != nil {
				return nil, err
			}
			cmd := exec.Command(path, "agent")
			files, _ := filepath.Glob(filepath.Join(s.Dir, "*.json"))
			for _, file := range files {
				cmd.Args = append(cmd.Args, "-config-file", file)
			}
			return cmd, nil
		},
		Ready: func(ctx context.Context, s *Server) error {
			request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.Addr()+"/v1/kv/ready?consistent", nil)
			if err != nil {
				return err
			}
			client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
			answer, err := client.Do(request)
			if err != nil {
				return err
			}
			defer func() { _ = answer.Body.Close() }()
			switch answer.StatusCode {
			case http.StatusNotFound, http.StatusForbidden: // no such key; or its ACL says so
				return nil
			}
			text, _ := io.ReadAll(answer.Body)
			return fmt.Errorf("%s: %s", answer.Status, text)
		},
	}
}

// consulProgram is where "make servers" puts Consul.
var consulProgram = sync.OnceValues(func() (string, error) {
	const get = "internal/testservers/get"
	folder, err := os.Getwd() // of a package's tests: its own
	if err != nil {
		return "", err
	}
	for ; ; folder = filepath.Dir(folder) {
		if _, err := os.Stat(filepath.Join(folder, get)); err == nil {
			break
		}
		if folder == filepath.Dir(folder) {
			return "", fmt.Errorf("there is no %s above this test's folder, which knows where it is", get)
		}
	}
	cmd := exec.Command(filepath.Join(folder, get), "--path", "consul")
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s: %w", cmd, err)
	}
	return strings.TrimSpace(string(out)), nil
})
