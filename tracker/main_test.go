package tracker_test

import (
	"io"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/juju/clock"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/muster-go/muster/claimer"
	"github.com/muster-go/muster/tracker"
	"github.com/muster-go/muster/tracker/trackertest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	duration = 10 * time.Second
	margin   = 100 * time.Millisecond
	lease    = 2*duration - margin // from the sending of a Claim to the lowering
)

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

func configFor(c claimer.Claimer) tracker.Config {
	return tracker.Config{
		Claimer:   c,
		Candidate: claimer.Candidate{Name: "web", Holder: "box-1"},
		Duration:  duration,
		Clock:     clock.WallClock,
		Logger:    quiet,
	}
}

// start runs a tracker on config until the test ends.
func start(t *testing.T, config tracker.Config) *tracker.Worker {
	t.Helper()
	w, err := tracker.New(config)
	require.NoError(t, err)
	t.Cleanup(func() {
		w.Kill()
		_ = w.Wait()
	})
	return w
}

// scripted runs a tracker on a script, closed at the test's end.
func scripted(t *testing.T) (*tracker.Worker, *trackertest.Script) {
	t.Helper()
	script := trackertest.NewScript(clock.WallClock)
	w := start(t, configFor(script))
	t.Cleanup(script.Close) // runs first
	return w, script
}

// leading is scripted, with the first Claim granted under token 1.
func leading(t *testing.T) (*tracker.Worker, *trackertest.Script) {
	t.Helper()
	w, script := scripted(t)
	script.Next(t, trackertest.Claim).Grant(1)
	synctest.Wait()
	require.True(t, leads(w))
	return w, script
}

// minion is scripted, with the first Claim denied; box-2 leads with token 7.
func minion(t *testing.T) (*tracker.Worker, *trackertest.Script, *trackertest.Call) {
	t.Helper()
	w, script := scripted(t)
	script.Next(t, trackertest.Claim).Deny("box-2#x", 7)
	wait := script.Next(t, trackertest.WaitReleased)
	synctest.Wait()
	require.False(t, leads(w))
	return w, script, wait
}

func leads(w *tracker.Worker) bool {
	_, _, ok := w.Leadership()
	return ok
}

// isReady says whether the ticket is resolved once everything else has come to rest.
func isReady(ticket tracker.Ticket) bool {
	synctest.Wait()
	select {
	case <-ticket.Ready():
		return true
	default:
		return false
	}
}

func assertPending(t *testing.T, ticket tracker.Ticket, why string) {
	t.Helper()
	assert.False(t, isReady(ticket), why)
}

// assertTicket asserts that the ticket is resolved, and how, at every call.
func assertTicket(t *testing.T, want bool, ticket tracker.Ticket, why string) {
	t.Helper()
	if assert.True(t, isReady(ticket), "not resolved: "+why) {
		assert.Equal(t, want, ticket.Wait(), why)
		assert.Equal(t, want, ticket.Wait(), "the second answer: "+why)
	}
}
