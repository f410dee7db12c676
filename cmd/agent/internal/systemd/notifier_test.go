package systemd_test

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/juju/clock/testclock"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/muster-go/muster/cmd/agent/internal/systemd"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// manager is a service manager's socket.
func manager(t *testing.T) (next func() string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notify")
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	require.NoError(t, err)
	t.Cleanup(func() { _ = socket.Close() })
	t.Setenv("NOTIFY_SOCKET", path)
	return func() string {
		t.Helper()
		require.NoError(t, socket.SetReadDeadline(time.Now().Add(time.Minute)))
		buffer := make([]byte, 4096)
		n, err := socket.Read(buffer)
		require.NoError(t, err)
		return string(buffer[:n])
	}
}

func config(clk *testclock.Clock, alive func() error) systemd.Config {
	return systemd.Config{Alive: alive, Clock: clk, Logger: slog.New(slog.NewTextHandler(io.Discard, nil))}
}

func TestWhatTheManagerIsTold(t *testing.T) {
	next := manager(t)
	n := systemd.New(config(testclock.NewClock(time.Time{}), nil))
	defer n.Close()
	n.Ready()
	assert.Equal(t, "READY=1", next())
	n.Status("leading web\nand more")
	n.Status("leading web\nand more")
	n.Status("standing by")
	assert.Equal(t, "STATUS=leading web and more", next())
	assert.Equal(t, "STATUS=standing by", next())
	n.Reloading()
	assert.Regexp(t, `^RELOADING=1\nMONOTONIC_USEC=\d+$`, next())
	n.Stopping()
	assert.Equal(t, "STOPPING=1", next())
}

func TestSignsOfLifeComeOnlyWhileTheCheckSucceeds(t *testing.T) {
	next := manager(t)
	t.Setenv("WATCHDOG_USEC", "2000000")
	clk := testclock.NewClock(time.Time{})
	var asked atomic.Int32
	hang := make(chan struct{})
	n := systemd.New(config(clk, func() error {
		switch asked.Add(1) {
		case 2:
			return errors.New("no")
		case 3:
			<-hang
		}
		return nil
	}))
	defer n.Close()
	assert.Equal(t, "WATCHDOG=1", next(), "at once")
	step := func() { require.NoError(t, clk.WaitAdvance(time.Second, time.Minute, 1)) }
	tick := func(want int32) {
		t.Helper()
		step()
		require.Eventually(t, func() bool { return asked.Load() == want }, time.Minute, time.Millisecond)
	}
	tick(2) // fails
	// The answer must have come before the next sign of life is due.
	require.Eventually(t, func() bool {
		if asked.Load() == 2 {
			step()
		}
		return asked.Load() == 3
	}, time.Minute, time.Millisecond)
	for range 3 { // it hangs: it isn't asked again
		step()
	}
	assert.EqualValues(t, 3, asked.Load())
	n.Status("a mark")
	assert.Equal(t, "STATUS=a mark", next(), "no sign of life before it")
	close(hang)
	assert.Equal(t, "WATCHDOG=1", next())
}

func TestWithoutAManagerNothingHappens(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "")
	n := systemd.New(config(testclock.NewClock(time.Time{}), nil))
	n.Ready()
	n.Status("x")
	n.Close()
}

func TestAWatchdogThatCannotBeReadIsLogged(t *testing.T) {
	t.Setenv("WATCHDOG_USEC", "soon")
	var log strings.Builder
	n := systemd.New(systemd.Config{Clock: testclock.NewClock(time.Time{}), Logger: slog.New(slog.NewTextHandler(&log, nil))})
	n.Close()
	assert.Contains(t, log.String(), "watchdog is not served")
}
