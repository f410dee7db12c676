package endurancetest_test

import (
	"errors"
	"os"
	"os/exec"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/muster-go/muster/internal/endurance/endurancetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// course is one that soon gives up.
var course = endurancetest.Course{Cycles: 100, Patience: 200 * time.Millisecond}

func TestACourseFindsWhatIsLeftOver(t *testing.T) {
	t.Run("a goroutine that never ends", func(t *testing.T) {
		end := make(chan struct{})
		defer close(end)
		err := course.Endure(func(i int) error {
			if i%10 == 0 {
				go waitFor(end)
			}
			return nil
		})
		require.ErrorContains(t, err, "goroutines from")
		assert.ErrorContains(t, err, "waitFor", "and where it comes from")
	})
	t.Run("a file that isn't closed", func(t *testing.T) {
		var files []*os.File
		defer func() {
			for _, file := range files {
				_ = file.Close()
			}
		}()
		err := course.Endure(func(i int) error {
			if i%10 == 0 {
				file, err := os.Open(os.DevNull)
				files = append(files, file)
				return err
			}
			return nil
		})
		require.ErrorContains(t, err, "descriptors from")
		assert.ErrorContains(t, err, os.DevNull)
	})
	t.Run("a process that nobody waited for", func(t *testing.T) {
		var commands []*exec.Cmd
		defer func() {
			for _, command := range commands {
				_ = command.Wait()
			}
		}()
		err := course.Endure(func(i int) error {
			if i%50 != 0 {
				return nil
			}
			command := exec.Command("true")
			commands = append(commands, command)
			return command.Start()
		})
		require.ErrorContains(t, err, "child processes from")
	})
	t.Run("memory that is kept", func(t *testing.T) {
		var kept [][]byte
		err := course.Endure(func(int) error {
			kept = append(kept, make([]byte, 4<<10))
			return nil
		})
		require.ErrorContains(t, err, "bytes on the heap from")
		assert.NotEmpty(t, kept)
	})
}

func waitFor(end chan struct{}) { <-end }

func TestACourseWaitsForWhatEndsByItself(t *testing.T) {
	patient := endurancetest.Course{Cycles: 50, Lanes: 3}
	var ran atomic.Int32
	require.NoError(t, patient.Endure(func(int) error {
		ran.Add(1)
		go func() { <-time.After(100 * time.Millisecond) }()
		return nil
	}))
	assert.EqualValues(t, 10+50, ran.Load(), "warmed up, and each cycle ran once")
}

func TestACourseEndsWithTheFirstCycleThatFails(t *testing.T) {
	broken := errors.New("broken")
	ran := 0
	err := course.Endure(func(i int) error {
		ran++
		if i == 20 {
			return broken
		}
		return nil
	})
	require.ErrorIs(t, err, broken)
	assert.ErrorContains(t, err, "cycle 20")
	assert.Equal(t, 21, ran)
}
