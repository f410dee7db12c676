package statedir_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/muster-go/muster/cmd/agent/internal/exit"
	"github.com/muster-go/muster/cmd/agent/internal/statedir"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var daemon = statedir.Daemon{PID: 42, Address: "127.0.0.1:8510", ID: "x"}

func TestADaemonIsFoundWhileItHasTheFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state", "muster")
	_, err := statedir.Find(dir)
	assert.Equal(t, exit.Unavailable, exit.Code(err))
	assert.ErrorContains(t, err, "start one with agent serve")

	claim, err := statedir.Take(dir)
	require.NoError(t, err)
	require.NoError(t, claim.Publish(daemon))
	found, err := statedir.Find(dir)
	require.NoError(t, err)
	assert.Equal(t, daemon, found)
	for name, mode := range map[string]os.FileMode{"": 0o700, "daemon.json": 0o600, "daemon.lock": 0o600} {
		info, err := os.Stat(filepath.Join(dir, name))
		require.NoError(t, err)
		assert.Equal(t, mode, info.Mode().Perm(), name)
	}

	require.NoError(t, claim.Withdraw())
	require.NoError(t, claim.Withdraw())
	_, err = statedir.Take(dir)
	assert.ErrorContains(t, err, "another daemon has")
	claim.Release()
	_, err = statedir.Find(dir)
	assert.ErrorContains(t, err, "no daemon says")
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Len(t, left, 1, "the lock's file")
}

func TestASecondDaemonIsRefused(t *testing.T) {
	dir := t.TempDir()
	claim, err := statedir.Take(dir)
	require.NoError(t, err)
	_, err = statedir.Take(dir)
	assert.Equal(t, exit.Value, exit.Code(err))
	assert.ErrorContains(t, err, "another daemon has the state folder")
	require.NoError(t, claim.Publish(daemon))
	_, err = statedir.Take(dir)
	assert.ErrorContains(t, err, "another daemon (pid 42, on 127.0.0.1:8510) has the state folder")
	claim.Release()
	claim, err = statedir.Take(dir)
	require.NoError(t, err)
	claim.Release()
}

func TestADaemonThatWasKilledIsGone(t *testing.T) {
	err := statedir.Gone("/state", daemon, errors.New("connection refused"))
	assert.Equal(t, exit.Unavailable, exit.Code(err))
	assert.ErrorContains(t, err, "pid 42, on 127.0.0.1:8510) is gone")
	assert.ErrorContains(t, err, "connection refused")
}

func TestAFileThatCannotBeReadIsSaid(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "daemon.json"), []byte("{"), 0o600))
	_, err := statedir.Find(dir)
	assert.Equal(t, exit.Value, exit.Code(err))
	assert.ErrorContains(t, err, "remove the file")
	plain := filepath.Join(dir, "plain")
	require.NoError(t, os.WriteFile(plain, nil, 0o600))
	_, err = statedir.Take(filepath.Join(plain, "state"))
	assert.Equal(t, exit.Value, exit.Code(err))
	assert.ErrorContains(t, err, plain)
}
