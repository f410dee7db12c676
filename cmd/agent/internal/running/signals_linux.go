package running

import "syscall"

// lastSignal is the last real-time signal.
const lastSignal = syscall.Signal(64)
