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
			second.Said(second.stderr, `waiting for \S+ \(token \d+\): at most [\d.]+ s after`)
			second.Signal(syscall.SIGUSR1) // nobody's: it goes on
			second.Signal(s)
			assert.Equal(t, 128+int(s), second.Wait())
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
	p.Said(p.stderr, "opening the store")
	p.Signal(syscall.SIGINT)
	assert.Equal(t, 130, p.Wait())
}

func TestEverySignalReachesTheCommand(t *testing.T) {
	l := newLab(t)
	p := l.start(append([]string{"run", "hello"}, self("helper-signals")...)...)
	p.Said(p.stdout, "ready")
	for signal, text := range map[syscall.Signal]string{
		syscall.SIGHUP: "hangup", syscall.SIGUSR1: "user defined signal 1", syscall.SIGWINCH: "window", syscall.SIGQUIT: "quit",
	} {
		p.Signal(signal)
		p.Said(p.stdout, "got "+text)
	}
	p.Signal(syscall.SIGUSR2)
	assert.Equal(t, 0, p.Wait(), "the command ended by itself")
}

func TestCtrlCStopsTheCommandAndThenTheAgent(t *testing.T) {
	t.Run("a command that goes", func(t *testing.T) {
		l := newLab(t)
		p := l.start(append([]string{"run", "hello"}, self("helper-sleep")...)...)
		p.Said(p.stdout, "sleeping")
		p.Signal(syscall.SIGINT)
		assert.Equal(t, 130, p.Wait())
		assert.Equal(t, 1, l.run("election", "show", "hello").Wait(), "it gave the leadership up")
	})
	t.Run("a command that doesn't mind is asked firmly, and killed", func(t *testing.T) {
		p := newLab(t).start(append([]string{"run", "hello", "--grace", "500ms"}, self("helper-stop")...)...)
		p.Said(p.stdout, "ready")
		p.Signal(syscall.SIGINT)
		p.Said(p.stdout, "got interrupt")
		p.Said(p.stdout, "got terminated")
		assert.Equal(t, 130, p.Wait())
	})
	t.Run("a second one kills", func(t *testing.T) {
		p := newLab(t).start(append([]string{"run", "hello", "--ttl", "1h", "--grace", "20m"}, self("helper-stop")...)...)
		p.Said(p.stdout, "ready")
		p.Signal(syscall.SIGINT)
		p.Said(p.stdout, "got interrupt")
		require.Eventually(t, func() bool {
			select {
			case <-p.Done():
				return true
			default:
				_ = p.Cmd.Process.Signal(syscall.SIGINT)
				return strings.Contains(p.stderr.String(), "killing the command")
			}
		}, patience, 50*time.Millisecond)
		assert.Equal(t, 130, p.Wait(), "long before the grace ends")
	})
	t.Run("a SIGTERM that comes twice leaves the command its grace", func(t *testing.T) {
		p := newLab(t).start(append([]string{"run", "hello", "--grace", "1s"}, self("helper-stop")...)...)
		p.Said(p.stdout, "ready")
		p.Signal(syscall.SIGTERM)
		p.Said(p.stdout, "got terminated")
		p.Signal(syscall.SIGTERM)
		assert.Equal(t, 143, p.Wait())
		assert.NotContains(t, p.stderr.String(), "killing")
	})
	t.Run("SIGTERM", func(t *testing.T) {
		p := newLab(t).start(append([]string{"run", "hello"}, self("helper-sleep")...)...)
		p.Said(p.stdout, "sleeping")
		p.Signal(syscall.SIGTERM)
		assert.Equal(t, 143, p.Wait())
	})
}

func TestCtrlCEndsThePauseBeforeARestart(t *testing.T) {
	p := newLab(t).start(append([]string{"run", "hello", "--restart"}, self("helper-exit", "3")...)...)
	p.Said(p.stderr, `the command ended with code 3; running it again in 1\.6 s`)
	p.Signal(syscall.SIGINT)
	assert.Equal(t, 130, p.Wait())
}

func TestCtrlZSuspendsTheCommandWithTheAgent(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("looks into /proc")
	}
	p := newLab(t).start(append([]string{"run", "hello", "--ttl", "1h"}, self("helper-signals")...)...)
	p.Said(p.stdout, "ready")
	p.Signal(syscall.SIGTSTP)
	p.Said(p.stderr, "suspended: the command is stopped for good unless the agent goes on within 5. m")
	require.Eventually(t, func() bool {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.PID()))
		return err == nil && strings.Contains(string(stat), ") T ")
	}, patience, pollTime, "the agent is stopped")
	p.Signal(syscall.SIGUSR1)
	p.Signal(syscall.SIGCONT)
	p.Said(p.stdout, "got user defined signal 1")
	p.Signal(syscall.SIGUSR2)
	assert.Equal(t, 0, p.Wait(), "it went on")
}
