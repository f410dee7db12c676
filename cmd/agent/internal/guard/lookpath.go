package guard

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// LookPath finds the file that Start would run for argv0 with this environment (nil: the agent's
// own) and working directory, as an absolute path. A name with a slash is a path, relative to dir;
// any other is looked for in the environment's PATH.
//
// errors.Is tells the errors apart: exec.ErrNotFound, fs.ErrPermission (there is such a file, but it
// can't be run), exec.ErrDot (found only through a relative folder in PATH).
func LookPath(argv0 string, env []string, dir string) (string, error) {
	if env == nil {
		env = os.Environ()
	}
	if strings.ContainsRune(argv0, filepath.Separator) || filepath.IsAbs(argv0) {
		path := argv0
		if !filepath.IsAbs(path) {
			path = filepath.Join(dir, path)
		}
		path, err := filepath.Abs(path)
		if err != nil {
			return "", fmt.Errorf("command %q: %w", argv0, err)
		}
		switch err := executable(path); {
		case err == nil:
			return path, nil
		case errors.Is(err, fs.ErrPermission) && isFolder(path):
			return "", &commandError{fmt.Sprintf("command %q: %s can't be executed: it is a folder; name a program in it", argv0, path), fs.ErrPermission}
		case errors.Is(err, fs.ErrPermission):
			return "", &commandError{fmt.Sprintf("command %q: %s can't be executed: %v; chmod +x it, or name another", argv0, path, err), fs.ErrPermission}
		default:
			return "", &commandError{fmt.Sprintf("command %q: no such file: %s", argv0, path), exec.ErrNotFound}
		}
	}
	if argv0 == "" {
		return "", &commandError{`command "" is empty; give its name or path (is a variable unset?)`, exec.ErrNotFound}
	}
	var denied, dotted string
	for _, folder := range filepath.SplitList(pathOf(env)) {
		path := filepath.Join(folder, argv0)
		err := executable(path)
		switch {
		case err == nil && filepath.IsAbs(path):
			return path, nil
		case err == nil:
			dotted = path
		case errors.Is(err, fs.ErrPermission) && denied == "" && !isFolder(path):
			denied = path
		}
	}
	switch {
	case dotted != "":
		return "", &commandError{fmt.Sprintf("command %q: PATH finds it only as %s in the current folder; name it ./%s", argv0, dotted, argv0), exec.ErrDot}
	case denied != "":
		return "", &commandError{fmt.Sprintf("command %q: %s can't be executed; chmod +x it, or name another", argv0, denied), fs.ErrPermission}
	}
	return "", &commandError{fmt.Sprintf("command %q: not found in PATH; check its spelling, or give its path", argv0), exec.ErrNotFound}
}

func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

func pathOf(env []string) string {
	path := ""
	for _, e := range env {
		if v, ok := strings.CutPrefix(e, "PATH="); ok {
			path = v // the last one counts, as for the command itself
		}
	}
	return path
}

// commandError says in one line why a command can't be run, and is of a kind that errors.Is knows.
type commandError struct {
	text string
	kind error
}

func (e *commandError) Error() string { return e.text }
func (e *commandError) Unwrap() error { return e.kind }
