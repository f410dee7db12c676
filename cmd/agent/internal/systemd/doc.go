// Package systemd tells a service manager, by sd_notify(3), how the daemon does: that it is ready,
// reloads or stops, what it is at, and, while a check succeeds, that it is alive.
//
// Without a manager that wants to hear, which is what the environment tells, everything here does
// nothing.
package systemd
