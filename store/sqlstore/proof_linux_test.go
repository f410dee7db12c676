package sqlstore_test

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/store"
	"github.com/muster-go/muster/store/sqlstore"
)

func proof(t testing.TB, d store.Driver) bool {
	t.Helper()
	proof, err := d.Proof(context.Background())
	require.NoError(t, err)
	return proof
}

func TestTheFirstToCreateTheDatabaseHasTheProofOnce(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	first := open(t, path)
	second := open(t, path)
	assert.True(t, proof(t, first))
	assert.False(t, proof(t, first))
	assert.False(t, proof(t, second))
}

func TestTheProofMayBeTakenByAnotherAndLater(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	creator := start(t, "unproven", path)
	creator.line(t)
	require.NoError(t, creator.Process.Kill())
	_ = creator.Wait()
	assert.True(t, proof(t, open(t, path)))
	assert.False(t, proof(t, open(t, path)))
}

// Whatever is deleted, or made again by hand, under a living process (here: a stopped one, which
// can do nothing about it), the next creator sees that somebody lives. Once that one is gone, the
// next creator has its proof.
func TestNoProofWhileAnybodyLivesWhateverWasDeleted(t *testing.T) {
	t.Parallel()
	for name, destroy := range map[string]func(root, path string) error{
		"the database":                      func(_, path string) error { return removeAll(path, path+"-wal", path+"-shm") },
		"the database and its lock file":    func(_, path string) error { return removeAll(path, path+"-wal", path+"-shm", path+".lock") },
		"the folder":                        func(_, path string) error { return os.RemoveAll(filepath.Dir(path)) },
		"the folder, made again":            func(_, path string) error { return remade(filepath.Dir(path), filepath.Dir(path)) },
		"the folder and its parent":         func(root, _ string) error { return os.RemoveAll(filepath.Join(root, "a")) },
		"the folder's parents, made again":  func(root, path string) error { return remade(filepath.Join(root, "a"), filepath.Dir(path)) },
		"the folder's parent, renamed away": func(root, _ string) error { return os.Rename(filepath.Join(root, "a"), filepath.Join(root, "b")) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root := t.TempDir()
			path := filepath.Join(root, "a", "state", "muster.db")
			holder := start(t, "hold", path)
			require.Equal(t, "true", holder.line(t), "missing parents don't cost a newcomer the proof")
			require.NoError(t, holder.Process.Signal(syscall.SIGSTOP))
			require.NoError(t, destroy(root, path))
			d, err := openAt(path)
			require.NoError(t, err)
			assert.False(t, proof(t, d))
			require.NoError(t, d.Close())

			require.NoError(t, holder.Process.Kill())
			_ = holder.Wait()
			require.NoError(t, os.RemoveAll(filepath.Join(root, "a")))
			assert.True(t, proof(t, open(t, path)))
		})
	}
}

func TestAClosedDriverIsGoneThoughAChildThatIsJustStartedHasItsFiles(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	d, err := openAt(path)
	require.NoError(t, err)
	files, err := sqlstore.Forked(d)
	for _, f := range files {
		defer f.Close()
	}
	require.NoError(t, err)
	require.NotEmpty(t, files)
	require.NoError(t, d.Close())
	require.NoError(t, os.RemoveAll(filepath.Dir(path)))
	assert.True(t, proof(t, open(t, path)))
}

func remade(gone, folder string) error {
	if err := os.RemoveAll(gone); err != nil {
		return err
	}
	return os.MkdirAll(folder, 0o700)
}

func TestAnotherStoreNextToItDoesNotMatter(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	assert.True(t, proof(t, open(t, filepath.Join(root, "a", "muster.db"))))
	assert.True(t, proof(t, open(t, filepath.Join(root, "b", "muster.db"))))
	assert.True(t, proof(t, open(t, filepath.Join(root, "b", "other.db"))))
}

func TestALinkThatLeadsElsewhereIsNoProof(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	one, two, link := filepath.Join(root, "one"), filepath.Join(root, "two"), filepath.Join(root, "link")
	require.NoError(t, os.Mkdir(one, 0o700))
	require.NoError(t, os.Mkdir(two, 0o700))
	require.NoError(t, os.Symlink(one, link))
	holder := start(t, "hold", filepath.Join(link, "muster.db"))
	require.Equal(t, "true", holder.line(t))
	require.NoError(t, holder.Process.Signal(syscall.SIGSTOP))
	require.NoError(t, os.Remove(link))
	require.NoError(t, os.Symlink(two, link))
	assert.False(t, proof(t, open(t, filepath.Join(link, "muster.db"))))
}

func TestACopyDoesNotCarryTheProof(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	d, err := openAt(path)
	require.NoError(t, err)
	require.NoError(t, d.Close())
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path+".copy", content, 0o600))
	require.NoError(t, os.Rename(path+".copy", path))
	assert.False(t, proof(t, open(t, path)))
}

func TestADriverThatCreatesItsLostFileAgainHasNoProof(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	d := open(t, path)
	w := watch(t, d, "")
	require.NoError(t, removeAll(path, path+"-wal", path+"-shm"))
	w.wait(t, store.EventReset)
	assert.False(t, proof(t, d))
	assert.False(t, proof(t, open(t, path)))
}

func TestNewcomersThatStartTogetherAllSucceedAndOneHasTheProof(t *testing.T) {
	t.Parallel()
	const newcomers = 4
	for round := range 2 {
		path := filepath.Join(t.TempDir(), "state"+strconv.Itoa(round), "muster.db")
		var all []*process
		for range newcomers {
			all = append(all, start(t, "hold", path))
		}
		proofs := 0
		for _, p := range all {
			if p.line(t) == "true" {
				proofs++
			}
		}
		assert.Equal(t, 1, proofs)
		for _, p := range all {
			p.end(t)
		}
	}
}
