package bootclock

// Sleep is the cache of the time slept, for its tests.
type Sleep = sleep

// The parts of the cache that its tests use.
var (
	NewSleep = newSleep
	SleepAt  = (*sleep).at
	ReadBoot = readBoot
)
