//go:build !linux

package running

import "syscall"

// lastSignal is the last signal: there are no real-time signals here.
const lastSignal = syscall.Signal(31)
