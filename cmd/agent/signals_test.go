package main

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestSignalsEndTheAgentWhileItWaits(t *testing.T) {
	for name, s := range map[string]syscall.Signal{"Ctrl-C": syscall.SIGINT, "SIGTERM": syscall.SIGTERM, "SIGHUP": syscall.SIGHUP} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t)
			first := l.start(append([]string{"run", "hello"}, self("helper-sleep")...)...)
			first.leads(0)
			second := l.start(append([]string{"run", "hello"}, self("helper-sleep")...)...)
			second.said(second.stderr, `waiting for \S+ \(token \d+\): at most [\d.]+ s after`)
			second.signal(syscall.SIGUSR1) // nobody's: it goes on
			second.signal(s)
			assert.Equal(t, 128+int(s), second.wait())
			assert.Empty(t, second.stdout.String(), "its command never ran")
			shown := l.run("election", "show", "hello")
			assert.NotContains(t, shown.stdout.String(), "waits", "it left the queue")
			assert.Contains(t, shown.stdout.String(), "leads")
		})
	}
}

func TestSignalsEndTheAgentWhileTheStoreHangs(t *testing.T) {
	l := newLab(t)
	p := l.start(append([]string{"run", "hello", "--store", "hang://", "--timeout", "10m", "--log-level", "debug"}, self("helper-sleep")...)...)
	p.said(p.stderr, "opening the store")
	p.signal(syscall.SIGINT)
	assert.Equal(t, 130, p.wait())
}

func TestEverySignalReachesTheCommand(t *testing.T) {
	l := newLab(t)
	p := l.start(append([]string{"run", "hello"}, self("helper-signals")...)...)
	p.said(p.stdout, "ready")
	for signal, text := range map[syscall.Signal]string{
		syscall.SIGHUP: "hangup", syscall.SIGUSR1: "user defined signal 1", syscall.SIGWINCH: "window", syscall.SIGQUIT: "quit",
	} {
		p.signal(signal)
		p.said(p.stdout, "got "+text)
	}
	p.signal(syscall.SIGUSR2)
	assert.Equal(t, 0, p.wait(), "the command ended by itself")
}

func TestCtrlCStopsTheCommandAndThenTheAgent(t *testing.T) {
	t.Run("a command that goes", func(t *testing.T) {
		l := newLab(t)
		p := l.start(append([]string{"run", "hello"}, self("helper-sleep")...)...)
		p.said(p.stdout, "sleeping")
		p.signal(syscall.SIGINT)
		assert.Equal(t, 130, p.wait())
		assert.Equal(t, 1, l.run("election", "show", "hello").wait(), "it gave the leadership up")
	})
	t.Run("a command that doesn't mind is asked firmly, and killed", func(t *testing.T) {
		p := newLab(t).start(append([]string{"run", "hello", "--grace", "500ms"}, self("helper-stop")...)...)
		p.said(p.stdout, "ready")
		p.signal(syscall.SIGINT)
		p.said(p.stdout, "got interrupt")
		p.said(p.stdout, "got terminated")
		assert.Equal(t, 130, p.wait())
	})
	t.Run("a second one kills", func(t *testing.T) {
		p := newLab(t).start(append([]string{"run", "hello", "--ttl", "1h", "--grace", "20m"}, self("helper-stop")...)...)
		p.said(p.stdout, "ready")
		p.signal(syscall.SIGINT)
		p.said(p.stdout, "got interrupt")
		require.Eventually(t, func() bool {
			select {
			case <-p.done:
				return true
			default:
				_ = p.cmd.Process.Signal(syscall.SIGINT)
				return strings.Contains(p.stderr.String(), "killing the command")
			}
		}, patience, 50*time.Millisecond)
		assert.Equal(t, 130, p.wait(), "long before the grace ends")
	})
	t.Run("a SIGTERM that comes twice leaves the command its grace", func(t *testing.T) {
		p := newLab(t).start(append([]string{"run", "hello", "--grace", "1s"}, self("helper-stop")...)...)
		p.said(p.stdout, "ready")
		p.signal(syscall.SIGTERM)
		p.said(p.stdout, "got terminated")
		p.signal(syscall.SIGTERM)
		assert.Equal(t, 143, p.wait())
		assert.NotContains(t, p.stderr.String(), "killing")
	})
	t.Run("SIGTERM", func(t *testing.T) {
		p := newLab(t).start(append([]string{"run", "hello"}, self("helper-sleep")...)...)
		p.said(p.stdout, "sleeping")
		p.signal(syscall.SIGTERM)
		assert.Equal(t, 143, p.wait())
	})
}

func TestCtrlCEndsThePauseBeforeARestart(t *testing.T) {
	p := newLab(t).start(append([]string{"run", "hello", "--restart"}, self("helper-exit", "3")...)...)
	p.said(p.stderr, `the command ended with code 3; running it again in 1\.6 s`)
	p.signal(syscall.SIGINT)
	assert.Equal(t, 130, p.wait())
}

func TestCtrlZSuspendsTheCommandWithTheAgent(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("looks into /proc")
	}
	p := newLab(t).start(append([]string{"run", "hello", "--ttl", "1h"}, self("helper-signals")...)...)
	p.said(p.stdout, "ready")
	p.signal(syscall.SIGTSTP)
	p.said(p.stderr, "suspended: the command is stopped for good unless the agent goes on within 5. m")
	require.Eventually(t, func() bool {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.pid()))
		return err == nil && strings.Contains(string(stat), ") T ")
	}, patience, pollTime, "the agent is stopped")
	p.signal(syscall.SIGUSR1)
	p.signal(syscall.SIGCONT)
	p.said(p.stdout, "got user defined signal 1")
	p.signal(syscall.SIGUSR2)
	assert.Equal(t, 0, p.wait(), "it went on")
}
