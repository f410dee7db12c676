package bootclock_test

import (
	"testing"
	"time"

	"github.com/juju/clock/testclock"
	"github.com/stretchr/testify/assert"

	"github.com/muster-go/muster/internal/bootclock"
)

func TestATimerThatIsSetAnewUnreadDoesNotBlockAFakeClock(t *testing.T) {
	clk := testclock.NewClock(time.Unix(0, 0))
	timer := clk.NewTimer(time.Second)
	for range 3 {
		clk.Advance(time.Minute) // fires, and nobody reads it
		assert.True(t, bootclock.Rewind(timer, time.Second))
	}
	select {
	case <-timer.Chan():
		assert.Fail(t, "an old tick was kept")
	default:
	}
	clk.Advance(time.Second)
	assert.Equal(t, clk.Now(), <-timer.Chan())
	assert.False(t, bootclock.Rewind(timer, time.Second))
}
