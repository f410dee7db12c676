package sqlstore_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/muster-go/muster/store"
)

// mount makes a small file system, which takes root's rights.
func mount(t *testing.T, size string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size="+size); err != nil {
		t.Skipf("needs the right to mount a file system: %v", err)
	}
	t.Cleanup(func() { require.NoError(t, unix.Unmount(dir, unix.MNT_DETACH)) })
	return dir
}

func TestAFullDiskRefusesWritesUntilThereIsRoom(t *testing.T) {
	t.Parallel()
	dir := mount(t, "1m")
	d := open(t, filepath.Join(dir, "muster.db"))
	id := grant(t, d, time.Minute)
	filler, err := os.Create(filepath.Join(dir, "filler"))
	require.NoError(t, err)
	for page := make([]byte, 4096); err == nil; {
		_, err = filler.Write(page)
	}
	require.ErrorIs(t, err, unix.ENOSPC)
	require.NoError(t, filler.Close())
	value, full := make([]byte, 10_000), error(nil)
	for range 100 {
		if _, full = d.Apply(context.Background(), []store.Write{{Kind: store.Create, Key: "k", Value: value}}); full != nil {
			break
		}
	}
	require.ErrorIs(t, full, store.ErrRefused, "surely not written")
	assert.ErrorContains(t, full, "full")
	require.Empty(t, keys(t, d, "k"))
	require.NoError(t, os.Remove(filepath.Join(dir, "filler")))
	create(t, d, "k", id)
	require.NoError(t, d.Renew(context.Background(), id))
}

func TestAReadOnlyFileSystemIsRefused(t *testing.T) {
	t.Parallel()
	dir := mount(t, "1m")
	require.NoError(t, unix.Mount("", dir, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""))
	for _, path := range []string{filepath.Join(dir, "muster.db"), filepath.Join(dir, "state", "muster.db")} {
		_, err := openAt(path)
		require.ErrorIs(t, err, store.ErrInvalid)
		assert.ErrorContains(t, err, "read-only")
		assert.ErrorContains(t, err, path)
	}
}

func TestNoPermissionNamesThePathAndTheMend(t *testing.T) {
	t.Parallel()
	root, err := os.MkdirTemp(os.TempDir(), "sqlstore") // T.TempDir's can't be entered by others
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, os.Chmod(root, 0o700))
		require.NoError(t, os.RemoveAll(root))
	})
	path := filepath.Join(root, "muster.db")
	refused := func(t *testing.T, path string) {
		t.Helper()
		before := tree(t, root)
		said := start(t, "nobody", path).line(t)
		assert.Contains(t, said, "true ", "unauthorized")
		assert.Contains(t, said, path)
		assert.Contains(t, said, "let this user")
		assert.Equal(t, before, tree(t, root))
	}
	require.NoError(t, os.Chmod(root, 0o555))
	refused(t, path)
	refused(t, filepath.Join(root, "state", "muster.db"))
	require.NoError(t, os.Chmod(root, 0o777))
	if os.Geteuid() == 0 { // the file of another user
		d, err := openAt(path)
		require.NoError(t, err)
		require.NoError(t, d.Close())
		refused(t, path)
		require.NoError(t, os.Remove(path+".lock"))
		refused(t, path)
		require.NoError(t, os.Chmod(path, 0o444))
		refused(t, path)
	}
	require.NoError(t, os.Chmod(root, 0o000))
	said := start(t, "nobody", path).line(t)
	assert.True(t, strings.HasPrefix(said, "true "), said)
}

func TestAHolderThatSeesTheFolderByAnotherPathIsNoProof(t *testing.T) {
	t.Parallel()
	elsewhere, volume := mount(t, "1m"), t.TempDir()
	require.NoError(t, unix.Mount(elsewhere, volume, "", unix.MS_BIND, ""))
	t.Cleanup(func() { require.NoError(t, unix.Unmount(volume, unix.MNT_DETACH)) })
	holder := start(t, "hold", filepath.Join(elsewhere, "state", "muster.db"))
	require.Equal(t, "true", holder.line(t))
	require.NoError(t, holder.Process.Signal(unix.SIGSTOP))
	require.NoError(t, os.RemoveAll(filepath.Join(volume, "state")))
	d := open(t, filepath.Join(volume, "state", "muster.db"))
	assert.False(t, proof(t, d))
	require.NoError(t, d.Close())
}
