package mutants

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
)

// endMarked kills every process that was given the environment variable, but one.
func endMarked(variable string, but int) {
	for killed := true; killed; { // until a look finds none: they may start others meanwhile
		killed = false
		paths, _ := filepath.Glob("/proc/[0-9]*/environ")
		for _, path := range paths {
			pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
			if err == nil && pid != but && killMarked(pid, path, variable) {
				killed = true
			}
		}
	}
}

// killMarked says whether the process had the variable.
func killMarked(pid int, path, variable string) bool {
	process, err := os.FindProcess(pid) // from here on pid can't come to mean another one
	if err != nil {
		return false
	}
	defer func() { _ = process.Release() }()
	environment, err := os.ReadFile(path) // empty once it is dead
	if err != nil || !bytes.Contains(append([]byte{0}, environment...), []byte("\x00"+variable+"=")) {
		return false
	}
	return process.Kill() == nil
}
