package guard

import (
	"errors"
	"io/fs"
	"os"
)

// Protection says whether commands are stopped in time also while this agent is frozen, and what a
// user should know of it.
func Protection() (full bool, text string) {
	return false, "running commands is not supported on Windows"
}

// Main is not used on this system: there is no guardian.
func Main() { os.Exit(64) }

func start(cfg Config, _ string, _ int64) (*Command, error) {
	return nil, errors.New("command " + cfg.Argv[0] + ": running commands is not supported on Windows; use Linux or macOS")
}

func executable(path string) error {
	info, err := os.Stat(path)
	if err == nil && info.IsDir() {
		return fs.ErrPermission
	}
	return err
}
