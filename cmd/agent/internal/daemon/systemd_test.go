package daemon_test

import (
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// manager is a service manager's socket.
type manager struct {
	t      *testing.T
	path   string
	socket *net.UnixConn
}

func newManager(l *lab) *manager {
	l.t.Helper()
	dir, err := os.MkdirTemp("", "m") // a socket's path must be short
	require.NoError(l.t, err)
	m := &manager{t: l.t, path: filepath.Join(dir, "s")}
	m.socket, err = net.ListenUnixgram("unixgram", &net.UnixAddr{Name: m.path, Net: "unixgram"})
	require.NoError(l.t, err)
	l.t.Cleanup(func() {
		_ = m.socket.Close()
		_ = os.RemoveAll(dir)
	})
	return m
}

// hears waits for a message that matches, and gives those before it.
func (m *manager) hears(pattern string) (before []string) {
	m.t.Helper()
	re := regexp.MustCompile(pattern)
	require.NoError(m.t, m.socket.SetReadDeadline(time.Now().Add(patience)))
	buffer := make([]byte, 4096)
	for {
		n, err := m.socket.Read(buffer)
		require.NoError(m.t, err, "waited for %q; heard %q", pattern, before)
		if re.Match(buffer[:n]) {
			return before
		}
		before = append(before, string(buffer[:n]))
	}
}

func TestSystemdIsTold(t *testing.T) {
	l := newLab(t)
	m := newManager(l)
	fault := filepath.Join(l.dir, "fault")
	require.NoError(t, os.WriteFile(fault, nil, 0o600))
	p := l.serve("box-1", "  web: {}\n  db: {}\n", "NOTIFY_SOCKET="+m.path, "WATCHDOG_USEC=400000", faultEnv+"="+fault)
	before := m.hears(`^STATUS=the store can't be reached \(.*no route to the store.*\); standing for db, web$`)
	m.hears(`^WATCHDOG=1$`) // it lives, though it isn't ready
	assert.NotContains(t, before, "READY=1")
	require.NoError(t, os.Remove(fault))
	before = m.hears(`^READY=1$`)
	if !strings.Contains(strings.Join(before, "\n"), "STATUS=leading db, web") {
		m.hears(`^STATUS=leading db, web$`)
	}
	m.hears(`^WATCHDOG=1$`)

	p.Signal(syscall.SIGHUP)
	m.hears(`^RELOADING=1\nMONOTONIC_USEC=\d+$`)
	m.hears(`^READY=1$`)
	p.said(`configuration .* taken over`)

	p.Signal(syscall.SIGTERM)
	m.hears(`^STOPPING=1$`)
	assert.Equal(t, 0, p.Wait())
}
