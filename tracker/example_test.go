package tracker_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/juju/clock"
	"github.com/juju/clock/testclock"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/claimer"
	"github.com/muster-go/muster/tracker"
	"github.com/muster-go/muster/tracker/trackertest"
)

// A tracker on a clock that the program moves itself.
func Example_testclock() {
	clk := testclock.NewClock(time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC))
	w, err := tracker.New(tracker.Config{
		Claimer:   &onlyFirst{Claimer: trackertest.NewMemory(clk)},
		Candidate: claimer.Candidate{Name: "web", Holder: "box-1"},
		Duration:  10 * time.Second,
		Clock:     clk,
		Logger:    quiet,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("leads:", w.WaitLeader().Wait())
	minion := w.WaitMinion()

	// The claimer stops answering; the claim ends 20 s after it was asked for.
	clk.Advance(19 * time.Second)
	_, deadline, ok := w.Leadership()
	fmt.Println("leads after 19 s:", ok, "until", deadline.Format("15:04:05.0"))
	clk.Advance(time.Second)
	fmt.Println("leads after 20 s:", minion.Wait())

	w.Kill()
	fmt.Println("ended with:", w.Wait())
	// Output:
	// leads: true
	// leads after 19 s: true until 00:00:19.9
	// leads after 20 s: false
	// ended with: <nil>
}

// onlyFirst is a Claimer that answers its first Claim only.
type onlyFirst struct {
	claimer.Claimer
	answered bool
}

func (o *onlyFirst) Claim(ctx context.Context, c claimer.Candidate, d time.Duration) (claimer.Claim, error) {
	if o.answered {
		<-ctx.Done()
		return claimer.Claim{}, ctx.Err()
	}
	o.answered = true
	return o.Claimer.Claim(ctx, c, d)
}

// Guarded work runs while its process leads, with a context that ends before another can lead.
func ExampleWorker_RunWhileLeader() {
	w, err := tracker.New(tracker.Config{
		Claimer:   trackertest.NewMemory(clock.WallClock),
		Candidate: claimer.Candidate{Name: "web", Holder: "box-1"},
		Duration:  10 * time.Second,
		Logger:    quiet,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	err = w.RunWhileLeader(context.Background(), func(_ context.Context, claim claimer.Claim) error {
		fmt.Printf("leading %s with token %d\n", claim.Name, claim.Token)
		return nil
	})
	fmt.Println(err)
	w.Kill()
	fmt.Println(w.Wait())
	// Output:
	// leading web with token 1
	// <nil>
	// <nil>
}

// In a synctest bubble an hour of leadership takes milliseconds. This is a Test and not an Example
// since a bubble needs a *testing.T.
func TestExampleHourOfLeadershipInASynctestBubble(t *testing.T) {
	real := time.Now() // outside of the bubble
	synctest.Test(t, func(t *testing.T) {
		w, err := tracker.New(tracker.Config{
			Claimer:   trackertest.NewMemory(clock.WallClock),
			Candidate: claimer.Candidate{Name: "web", Holder: "box-1"},
			Duration:  10 * time.Second,
			Clock:     clock.WallClock, // the bubble's
			Logger:    quiet,
		})
		require.NoError(t, err)
		require.True(t, w.WaitLeader().Wait())
		minion := w.WaitMinion()
		claim, _, _ := w.Leadership()
		begun := time.Now()

		time.Sleep(time.Hour)

		assert.Equal(t, time.Hour, time.Since(begun))
		now, _, ok := w.Leadership()
		assert.True(t, ok)
		assert.Equal(t, claim.Token, now.Token, "one term")
		select {
		case <-minion.Ready():
			t.Error("leadership was lost in between")
		default:
		}
		w.Kill()
		assert.NoError(t, w.Wait())
	})
	assert.Less(t, time.Since(real), time.Minute)
}
