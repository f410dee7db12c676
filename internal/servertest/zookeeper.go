package servertest

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// ZooKeeper is a ZooKeeper by itself, with a tick of 100 ms and sessions of 200 ms to 60 s.
var ZooKeeper = &Kind{
	Name: "ZooKeeper", Ports: 1, Missing: zooKeeperMissing,
	Prepare: func(s *Server) error { return zooKeeperConfig(s, "") },
	Command: zooKeeperCommand,
	Ready:   zooKeeperServes,
}

// StartZooKeepers starts an ensemble of n ZooKeepers that all serve clients; it ends with the test. A
// follower that is cut off from its leader notices it after 20 s.
func StartZooKeepers(t testing.TB, n int) []*Server {
	t.Helper()
	servers := make([]*Server, n)
	members := func() string { // once all have their ports
		var text strings.Builder
		fmt.Fprintf(&text, "initLimit=50\nsyncLimit=200\n")
		for i, s := range servers {
			fmt.Fprintf(&text, "server.%d=127.0.0.1:%d:%d\n", i+1, s.Port(1), s.Port(2))
		}
		return text.String()
	}
	for i := range servers {
		kind := &Kind{
			Name: fmt.Sprintf("ZooKeeper %d of %d", i+1, n), Ports: 3, Missing: zooKeeperMissing,
			Prepare: func(s *Server) error {
				if err := zooKeeperConfig(s, members()); err != nil {
					return err
				}
				return os.WriteFile(filepath.Join(s.Dir, "myid"), fmt.Appendln(nil, i+1), 0o600)
			},
			Command: zooKeeperCommand,
			Ready: func(ctx context.Context, s *Server) error {
				if i < n/2 { // there is no quorum yet
					return nil
				}
				return zooKeeperServes(ctx, s)
			},
		}
		Need(t, kind)
		s, err := newServer(kind)
		if err != nil {
			t.Fatalf("servertest: %v", err)
		}
		s.t, servers[i] = t, s
		t.Cleanup(s.remove)
	}
	for _, s := range servers {
		s.Start()
	}
	for _, s := range servers {
		if err := s.await(zooKeeperServes); err != nil {
			t.Fatalf("servertest: %v", err)
		}
	}
	return servers
}

// zooKeeperJars is where Debian keeps the server's code.
const zooKeeperJars = "/usr/share/java"

func zooKeeperMissing() string {
	if _, err := exec.LookPath("java"); err != nil {
		return "the program java is not installed"
	}
	if _, err := os.Stat(filepath.Join(zooKeeperJars, "zookeeper.jar")); err != nil {
		return "the Debian package zookeeper is not installed"
	}
	return ""
}

// zooKeeperConfig writes the server's configuration, to which more is added.
func zooKeeperConfig(s *Server, more string) error {
	config := fmt.Sprintf(`tickTime=100
dataDir=%s
clientPort=%d
clientPortAddress=127.0.0.1
minSessionTimeout=200
maxSessionTimeout=60000
maxClientCnxns=0
admin.enableServer=false
4lw.commands.whitelist=srvr
%s`, s.Dir, s.Port(0), more)
	log := `log4j.rootLogger=WARN, CONSOLE
log4j.appender.CONSOLE=org.apache.log4j.ConsoleAppender
log4j.appender.CONSOLE.layout=org.apache.log4j.PatternLayout
log4j.appender.CONSOLE.layout.ConversionPattern=%d %p %c %m%n
`
	if err := os.WriteFile(filepath.Join(s.Dir, "log4j.properties"), []byte(log), 0o600); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(s.Dir, "zoo.cfg"), []byte(config), 0o600)
}

func zooKeeperCommand(s *Server) (*exec.Cmd, error) {
	names := "zookeeper zookeeper-jute commons-cli commons-io findbugs-annotations jackson-annotations jackson-core " +
		"jackson-databind jetty9-http jetty9-io jetty9-security jetty9-server jetty9-servlet jetty9-util jline metrics-core " +
		"netty-buffer netty-common netty-handler netty-transport netty-transport-native-epoll snappy-java slf4j-api " +
		"slf4j-log4j12 log4j-1.2"
	var jars []string
	for name := range strings.FieldsSeq(names) {
		jars = append(jars, filepath.Join(zooKeeperJars, name+".jar"))
	}
	return exec.Command("java", "-Xmx256m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC",
		"-Dzookeeper.jmx.log4j.disable=true", "-Dzookeeper.forceSync=no", "-Dznode.container.checkIntervalMs=1000",
		"-Dlog4j.configuration=file:"+filepath.Join(s.Dir, "log4j.properties"),
		"-cp", strings.Join(jars, ":"), "org.apache.zookeeper.server.quorum.QuorumPeerMain", filepath.Join(s.Dir, "zoo.cfg")), nil
}

// zooKeeperServes asks for the server's mode, which it has once it serves clients.
func zooKeeperServes(ctx context.Context, s *Server) error {
	ctx, cancel := context.WithTimeout(ctx, time.Second) // asked too early, a server leaves the connection open
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", s.Addr())
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	if _, err := conn.Write([]byte("srvr")); err != nil {
		return err
	}
	answer, err := io.ReadAll(conn)
	if err == nil && !strings.Contains(string(answer), "Mode:") {
		err = fmt.Errorf("it serves nobody yet: %q", answer)
	}
	return err
}
