package engine

import (
	"log/slog"
	"testing"
	"time"

	"github.com/juju/clock/testclock"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestLiveNoticesALoopThatDoesNotAnswer(t *testing.T) {
	clk := testclock.NewClock(time.Unix(1e9, 0))
	e, err := New(Config{Clock: clk, Logger: slog.New(slog.DiscardHandler)}, nil)
	require.NoError(t, err)
	live := func() error {
		answer := make(chan error, 1)
		go func() { answer <- e.Live() }()
		for {
			select {
			case err := <-answer:
				return err
			case <-time.After(10 * time.Millisecond):
				clk.Advance(liveTimeout)
			}
		}
	}
	e.graph.mu.Lock()
	require.EqualError(t, live(), "the engine's loop hasn't answered for 5s: restart the process")
	pending := e.pulse.pending
	require.EqualError(t, live(), "the engine's loop hasn't answered for 5s: restart the process")
	assert.Equal(t, pending, e.pulse.pending, "it isn't asked again before it has answered")
	e.graph.mu.Unlock()

	<-pending
	require.Eventually(t, func() bool { return live() == nil }, 10*time.Second, time.Millisecond)
	e.Kill()
	require.NoError(t, e.Wait())
	assert.EqualError(t, e.Live(), "the engine has ended")
}
