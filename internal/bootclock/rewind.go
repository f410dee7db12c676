package bootclock

import (
	"time"

	"github.com/juju/clock"
)

// Rewind sets a timer anew, whether it has fired or not, and tells whether it had a tick that nobody has
// read. On a fake clock timers keep such a tick, and the next one would block the clock for ever.
func Rewind(timer clock.Timer, d time.Duration) (unread bool) {
	if !timer.Stop() {
		select {
		case <-timer.Chan():
			unread = true
		default:
		}
	}
	timer.Reset(d)
	return unread
}
