package bootclock

import "time"

// Sleep is the cache of the time slept, for its tests.
type Sleep = sleep

// The parts of the cache that its tests use.
var (
	NewSleep = newSleep
	SleepAt  = (*sleep).at
	ReadBoot = readBoot
)

// Suspend has the clock find that the machine slept for d, as from now, until restore is called. No
// other goroutine may read the clock meanwhile.
func Suspend(d int64) (restore func()) {
	before := slept
	slept = newSleep(func() int64 { return 0 })
	slept.read = func() int64 { return d }
	slept.readAt.Store(int64(time.Since(start)))
	return func() { slept = before }
}
