package endurance_test

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/internal/etcdtest"
)

// serverVariable makes this test binary a server of etcd, which is to be a process of its own: what
// it keeps in memory, the history of every key, is no leak of ours.
const serverVariable = "MUSTER_TEST_ETCD"

// TestAServerForOtherTests is that process. It is told on its input to stop and to start the server.
func TestAServerForOtherTests(t *testing.T) {
	if os.Getenv(serverVariable) == "" {
		t.Skip("started by other tests, as a process of its own")
	}
	server := etcdtest.Start(t, etcdtest.Settings{})
	fmt.Println("at", server.Endpoint())
	words := bufio.NewScanner(os.Stdin)
	for words.Scan() {
		switch words.Text() {
		case "stop":
			server.Stop()
		case "start":
			server.Start()
		}
		fmt.Println("at", server.Endpoint())
	}
}

// server is an etcd in a process of its own, which ends with the test.
type server struct {
	endpoint string
	in       io.WriteCloser
	out      *bufio.Reader
}

func startServer(t *testing.T) *server {
	t.Helper()
	command := exec.Command(os.Args[0], "-test.run", "^TestAServerForOtherTests$", "-test.timeout", "0")
	command.Env = append(os.Environ(), serverVariable+"=1", "TMPDIR="+t.TempDir())
	in, err := command.StdinPipe()
	require.NoError(t, err)
	out, err := command.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, command.Start())
	s := &server{in: in, out: bufio.NewReader(out)}
	t.Cleanup(func() {
		_ = in.Close() // the end of its input is the end of its test
		_, _ = io.Copy(io.Discard, s.out)
		if err := command.Wait(); err != nil {
			t.Errorf("the server of etcd: %v", err)
		}
	})
	s.endpoint, err = s.answer()
	require.NoError(t, err)
	return s
}

// tell has it stop or start, and waits until that is done.
func (s *server) tell(word string) error {
	if _, err := fmt.Fprintln(s.in, word); err != nil {
		return err
	}
	_, err := s.answer()
	return err
}

// answer waits for a line, and gives the server's address.
func (s *server) answer() (address string, err error) {
	for {
		line, err := s.out.ReadString('\n')
		if err != nil {
			return "", fmt.Errorf("the server of etcd ended: %w", err)
		}
		if address, ok := strings.CutPrefix(strings.TrimSpace(line), "at "); ok {
			return address, nil
		}
	}
}
