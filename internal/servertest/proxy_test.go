package servertest_test

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/internal/servertest"
)

// echo is a server that gives back what it gets.
func echo(t *testing.T) (addr string) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				_, _ = io.Copy(conn, conn)
				_ = conn.Close()
			}()
		}
	}()
	return listener.Addr().String()
}

func dial(t *testing.T, addr string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func say(t *testing.T, conn net.Conn, text string) {
	t.Helper()
	_, err := conn.Write([]byte(text))
	require.NoError(t, err)
}

func hears(t *testing.T, conn net.Conn, text string) {
	t.Helper()
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(time.Minute)))
	got := make([]byte, len(text))
	_, err := io.ReadFull(conn, got)
	require.NoError(t, err)
	assert.Equal(t, text, string(got))
}

// hearsNothing checks that for a while neither bytes nor an end come.
func hearsNothing(t *testing.T, conn net.Conn) {
	t.Helper()
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(50*time.Millisecond)))
	_, err := conn.Read(make([]byte, 1))
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
}

func hearsReset(t *testing.T, conn net.Conn) {
	t.Helper()
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(time.Minute)))
	_, err := conn.Read(make([]byte, 1))
	require.True(t, errors.Is(err, syscall.ECONNRESET), "%v", err)
}

func TestProxy(t *testing.T) {
	p := servertest.NewProxy(t, echo(t))
	old := dial(t, p.Endpoint())
	say(t, old, "one")
	hears(t, old, "one")
	assert.EqualValues(t, 1, p.Messages())

	p.BlackHole()
	say(t, old, "two")
	hearsNothing(t, old)
	during := dial(t, p.Endpoint())
	say(t, during, "three")
	hearsNothing(t, during)
	toServer, toClient := p.Bytes()
	assert.EqualValues(t, 3, toServer)
	assert.EqualValues(t, 3, toClient)

	p.HoldReplies()
	require.Eventually(t, func() bool { toServer, _ = p.Bytes(); return toServer == 11 }, time.Minute, time.Millisecond, "requests pass")
	hearsNothing(t, old)
	hearsNothing(t, during)

	p.Heal()
	hears(t, old, "two")
	hears(t, during, "three")

	p.BlackHole()
	say(t, old, "four")
	p.Cut()
	hearsReset(t, old)
	hearsReset(t, during)
	if conn, err := net.Dial("tcp", p.Endpoint()); err != nil { // the reset may come as early as this
		require.ErrorIs(t, err, syscall.ECONNRESET)
	} else {
		defer conn.Close()
		hearsReset(t, conn)
	}

	p.Heal()
	again := dial(t, p.Endpoint())
	say(t, again, "five")
	hears(t, again, "five")

	p.Close()
	p.Close()
	hearsReset(t, again)
	_, err := net.Dial("tcp", p.Endpoint())
	assert.ErrorIs(t, err, syscall.ECONNREFUSED)
}

func TestAProxyResetsClientsWhileNobodyListensBehindIt(t *testing.T) {
	free, err := servertest.FreePorts(1)
	require.NoError(t, err)
	p := servertest.NewProxy(t, free[0])
	if conn, err := net.Dial("tcp", p.Endpoint()); err != nil { // the reset may come as early as this
		require.ErrorIs(t, err, syscall.ECONNRESET)
	} else {
		defer conn.Close()
		hearsReset(t, conn)
	}
}
