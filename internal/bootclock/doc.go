// Package bootclock is a clock.Clock that goes on counting while the machine sleeps.
//
// Go's time.Now reads CLOCK_MONOTONIC, which stops during a suspend. A leader whose machine slept
// for an hour would find its deadline still ahead when it wakes. This clock adds the time slept:
// the difference between CLOCK_BOOTTIME and CLOCK_MONOTONIC.
//
// # Promises
//
// Readings never run backwards, and Now doesn't allocate, lock or, mostly, call the system: the
// time slept is read by system calls at most once per Window and cached in between, so a hot loop
// pays for the monotonic clock and little more (BenchmarkNow against BenchmarkTimeNow).
//
// After a resume, Now may lack the time slept for up to Window of running time. Whoever counts
// deadlines on this clock adds Window to their margin. The bound doesn't depend on load: the
// cache's age is counted on the monotonic clock, which stands still during the sleep, from a
// reading taken before the time slept was read. Sleeps that add up to less than a millisecond
// aren't seen, because two readings of one sleep differ by the time that passes between them.
//
// A timer fires up to a second late after a resume, because the timers below it stood still too.
// So whoever acts on a timer that may be late compares Now as well.
//
// # What it can't do
//
// A paused virtual machine doesn't see the pause on any clock, and a frozen process acts, when it
// goes on, on what it read before. There only fencing tokens protect. Elsewhere than on Linux the
// clock is the monotonic one; whether that counts sleep is the system's choice.
package bootclock
