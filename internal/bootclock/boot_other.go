//go:build !linux

package bootclock

import "time"

func readSlept() int64 { return 0 }

func readBoot() int64 { return int64(time.Since(start)) }
