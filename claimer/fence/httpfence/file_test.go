package httpfence_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/claimer/fence"
	"github.com/muster-go/muster/claimer/fence/httpfence"
)

// keeperEnv has a test binary keep rising tokens in the file that it names, for ever, and say which.
const keeperEnv = "MUSTER_TEST_KEEPER"

func TestAKeeperThatIsKilledKeptWhatItSaid(t *testing.T) {
	if path := os.Getenv(keeperEnv); path != "" {
		keepForever(path)
	}
	path := filepath.Join(t.TempDir(), "fence")
	said := uint64(0)
	for range 5 {
		cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
		cmd.Env = append(os.Environ(), keeperEnv+"="+path)
		out, err := cmd.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		lines := bufio.NewScanner(out)
		for n := 0; lines.Scan(); n++ {
			token, err := strconv.ParseUint(lines.Text(), 10, 64)
			if err != nil {
				t.Errorf("the keeper said %q", lines.Text())
				break
			}
			said = max(said, token)
			if n == 20 {
				require.NoError(t, cmd.Process.Kill()) // what it said before is still read
			}
		}
		_ = cmd.Wait()
		file, err := httpfence.OpenFile(path)
		require.NoError(t, err, "the lock of a dead process holds nobody up")
		kept, err := file.Load(t.Context())
		require.NoError(t, err)
		assert.GreaterOrEqual(t, kept, said)
		assert.LessOrEqual(t, kept, said+1)
		require.NoError(t, file.Close())
	}
	assert.Greater(t, said, uint64(100))
}

func keepForever(path string) {
	file, err := httpfence.OpenFile(path)
	if err == nil {
		var token uint64
		if token, err = file.Load(context.Background()); err == nil {
			for err == nil {
				token++
				if err = file.Keep(context.Background(), token); err == nil {
					fmt.Println(token)
				}
			}
		}
	}
	fmt.Println(err)
	os.Exit(1)
}

func TestAFileIsOneProcessesAlone(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no locks there")
	}
	path := filepath.Join(t.TempDir(), "fence")
	file, err := httpfence.OpenFile(path)
	require.NoError(t, err)
	_, err = httpfence.OpenFile(path)
	require.ErrorIs(t, err, fence.ErrInvalid)
	require.NoError(t, file.Close())
	file, err = httpfence.OpenFile(path)
	require.NoError(t, err)
	require.NoError(t, file.Close())
}

func TestADamagedFileIsRefusedWithTheMend(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fence")
	require.NoError(t, os.WriteFile(path, []byte(strings.Repeat("garbage", 100)), 0o600))
	file, err := httpfence.OpenFile(path)
	require.NoError(t, err)
	defer file.Close()
	_, err = httpfence.New(t.Context(), httpfence.Config{Election: "e", Maximum: file})
	require.ErrorIs(t, err, fence.ErrInvalid)
	assert.Contains(t, err.Error(), path)
	assert.Less(t, len(err.Error()), 500)
}

func TestAFolderThatIsMissingIsToldAtOnce(t *testing.T) {
	_, err := httpfence.OpenFile(filepath.Join(t.TempDir(), "missing", "fence"))
	require.ErrorIs(t, err, os.ErrNotExist)
}

// A handler may outlive the end of its service, which then closes the file.
func TestAFileThatIsClosedKeepsNothingMore(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fence")
	before, err := httpfence.OpenFile(path)
	require.NoError(t, err)
	require.NoError(t, before.Close())
	require.NoError(t, before.Close(), "twice does no harm")
	next, err := httpfence.OpenFile(path)
	require.NoError(t, err)
	defer next.Close()
	require.NoError(t, next.Keep(t.Context(), 9))
	require.ErrorIs(t, before.Keep(t.Context(), 8), os.ErrClosed)
	kept, err := next.Load(t.Context())
	require.NoError(t, err)
	assert.Equal(t, uint64(9), kept)
}
