package endurance_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/cmd/agent/internal/config"
	"github.com/muster-go/muster/cmd/agent/internal/daemon"
	"github.com/muster-go/muster/cmd/agent/internal/say"
	"github.com/muster-go/muster/cmd/agent/internal/statedir"
	"github.com/muster-go/muster/store"
	"github.com/muster-go/muster/store/memstore"
	"github.com/muster-go/muster/store/sqlstore"
)

// A daemon in this process is told to stop as any is: by SIGTERM.
func TestCyclesOfADaemonLeaveNothing(t *testing.T) {
	caught := make(chan os.Signal, 1) // so that no signal between two daemons ends the test
	signal.Notify(caught, exitSignal)
	defer signal.Stop(caught)
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	require.NoError(t, err)
	defer null.Close()
	d := daemonCourse{dir: t.TempDir(), output: null}

	t.Run("whose command runs, on SQLite", func(t *testing.T) {
		run(t, 20, 1, func(int) error { return d.cycle("sqlite://"+filepath.Join(d.dir, "muster.db"), "sleep", "999") })
	})
	t.Run("that only stands", func(t *testing.T) {
		run(t, 50, 1, func(int) error { return d.cycle("mem://") })
	})
	t.Run("whose store refuses it", func(t *testing.T) {
		run(t, 50, 1, func(int) error {
			err := d.cycle("sqlite://" + d.dir)
			if !errors.Is(err, store.ErrInvalid) || strings.Contains(err.Error(), "listener") {
				return fmt.Errorf("got %w, want %w", err, store.ErrInvalid)
			}
			return nil
		})
	})
}

type daemonCourse struct {
	dir    string
	output *os.File
}

// cycle runs a daemon until it leads, and then ends it.
func (d daemonCourse) cycle(storeURL string, argv ...string) error {
	state, err := statedir.Take(filepath.Join(d.dir, "state"))
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	file := &config.Config{Elections: []config.Election{{Name: "web", TTL: 2 * time.Second, Grace: 50 * time.Millisecond, Run: argv}}}
	ended := make(chan error, 1)
	go func() {
		err := daemon.Run(daemon.Config{
			File: file, Reload: func() (*config.Config, error) { return file, nil },
			StoreURL: storeURL, Openers: store.Openers{"mem": memstore.Open, "sqlite": sqlstore.OpenSQLite},
			Node: "box-1", Listener: listener, State: state, Version: "v0", Revision: "none",
			Stdout: d.output, Stderr: d.output, Say: &say.Printer{W: d.output}, Logger: quiet,
		})
		if closed := listener.Close(); !errors.Is(closed, net.ErrClosed) {
			err = errors.Join(err, errors.New("the daemon left its listener open"))
		}
		ended <- err
	}()
	for began := time.Now(); time.Since(began) < patience; {
		select {
		case err := <-ended:
			return err
		case <-time.After(2 * time.Millisecond):
		}
		if !leads(listener.Addr().String()) {
			continue
		}
		if err := syscall.Kill(os.Getpid(), exitSignal); err != nil {
			return err
		}
		select {
		case err := <-ended:
			return err
		case <-time.After(patience):
			return fmt.Errorf("the daemon didn't end within %v", patience)
		}
	}
	return fmt.Errorf("the daemon didn't lead within %v", patience)
}

// leads tells whether the daemon there leads, and runs its command if it has one.
func leads(address string) bool {
	transport := &http.Transport{DisableKeepAlives: true}
	// A daemon that ends at once takes no connection.
	client := &http.Client{Transport: transport, Timeout: 100 * time.Millisecond}
	response, err := client.Get("http://" + address + "/v1/status")
	if err != nil {
		return false
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	return err == nil && strings.Contains(string(text), `"leads":true`) && !strings.Contains(string(text), `"starts":0`)
}
