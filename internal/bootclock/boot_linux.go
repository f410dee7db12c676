package bootclock

import "golang.org/x/sys/unix"

func read(id int32) int64 {
	var ts unix.Timespec
	if err := unix.ClockGettime(id, &ts); err != nil {
		return 0 // both clocks have been in every kernel since 2.6.39
	}
	return ts.Nano()
}

// readSlept gives the time that the machine has slept since it booted: at most that, and less by no
// more than the time between two readings of the monotonic clock, which is kept short.
func readSlept() int64 {
	low := int64(0)
	for range 10 {
		before := read(unix.CLOCK_MONOTONIC)
		boot := read(unix.CLOCK_BOOTTIME)
		after := read(unix.CLOCK_MONOTONIC)
		low = max(low, boot-after)
		if after-before < 20_000 {
			break
		}
	}
	return low
}

func readBoot() int64 { return read(unix.CLOCK_BOOTTIME) }
