//go:build !linux

package servertest

import "syscall"

func dieWithParent(attr *syscall.SysProcAttr) *syscall.SysProcAttr { return attr }

// descendants is the process alone: elsewhere than on Linux, its group is not looked for.
func descendants(pid int) []int { return []int{pid} }

// lives would tell whether a process hasn't ended; elsewhere than on Linux the one was waited for.
func lives(int) bool { return false }

// stopped would tell whether all threads of the processes stand still after SIGSTOP.
func stopped([]int) bool { return true }
