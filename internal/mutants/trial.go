package mutants

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Trial tries mutants on a module. Its methods may be called from many goroutines. Once their context
// ends they return its error, soon; either way nothing that they started runs any more then (on Linux:
// elsewhere what a sabotaged test left running goes on).
type Trial struct {
	Root    string        // the module's folder
	Timeout time.Duration // for the tests of one mutant
}

// Result is what became of one mutant.
type Result struct {
	Mutant  Mutant
	Outcome Outcome
	By      string // Caught: the test or subtest that failed first
	Output  string // what go test said
	Took    time.Duration
}

// Try runs a mutant's test on the mutant. An error means that it could not be run.
func (t Trial) Try(ctx context.Context, m Mutant) (Result, error) {
	began := time.Now()
	folder, err := os.MkdirTemp("", "mutant")
	if err != nil {
		return Result{}, err
	}
	defer func() { _ = os.RemoveAll(folder) }()
	overlay, err := t.overlay(m, folder)
	if err != nil {
		return Result{}, err
	}
	v, err := t.run(ctx, m.folder(), pattern(m.Test), "-overlay", overlay, "-count=1", "-failfast")
	if err != nil {
		return Result{}, fmt.Errorf("mutant %q: %w", m.Name, err)
	}
	r := Result{Mutant: m, Output: v.output.String(), Took: time.Since(began)}
	r.Outcome, r.By = v.of(m.Test)
	return r, nil
}

// overlay writes the mutated file, and what tells the go command of it, into a folder.
func (t Trial) overlay(m Mutant, folder string) (path string, err error) {
	text, err := m.Sabotage(t.Root)
	if err != nil {
		return "", err
	}
	file, err := filepath.Abs(filepath.Join(t.Root, filepath.FromSlash(m.File)))
	if err != nil {
		return "", err
	}
	mutated := filepath.Join(folder, filepath.Base(m.File))
	list, err := json.Marshal(map[string]map[string]string{"Replace": {file: mutated}})
	if err != nil {
		return "", err
	}
	path = filepath.Join(folder, "overlay.json")
	return path, errors.Join(os.WriteFile(mutated, text, 0o600), os.WriteFile(path, list, 0o600))
}

// Sound runs the tests of the mutants on the code as it is, and gives the names of those that don't
// pass, or don't run, there.
func (t Trial) Sound(ctx context.Context, mutants []Mutant) (unsound []string, output string, err error) {
	folders := map[string][]string{}
	for _, m := range mutants {
		if !slices.Contains(folders[m.folder()], m.Test) {
			folders[m.folder()] = append(folders[m.folder()], m.Test)
		}
	}
	for _, folder := range slices.Sorted(maps.Keys(folders)) {
		// A pattern for a subtest can't stand beside one for another test.
		var whole, parts []string
		for _, test := range folders[folder] {
			if strings.Contains(test, "/") {
				parts = append(parts, pattern(test))
			} else {
				whole = append(whole, regexp.QuoteMeta(test))
			}
		}
		if len(whole) > 0 {
			parts = append(parts, "^("+strings.Join(whole, "|")+")$")
		}
		passed := map[string]bool{}
		for _, pattern := range parts {
			v, err := t.run(ctx, folder, pattern)
			if err != nil {
				return nil, "", err
			}
			output += v.output.String()
			maps.Copy(passed, v.passed)
		}
		for _, test := range folders[folder] {
			if !passed[strings.ReplaceAll(test, " ", "_")] {
				unsound = append(unsound, test)
			}
		}
	}
	return unsound, output, nil
}

// pattern is for go test's -run.
func pattern(test string) string {
	var parts []string
	for part := range strings.SplitSeq(test, "/") {
		parts = append(parts, "^"+regexp.QuoteMeta(part)+"$")
	}
	return strings.Join(parts, "/")
}

// run runs the tests of a package that a pattern names.
func (t Trial) run(ctx context.Context, folder, pattern string, more ...string) (*verdict, error) {
	args := append([]string{"test", "-json", "-vet=off", "-timeout", t.Timeout.String(), "-run", pattern}, more...)
	command := exec.CommandContext(ctx, "go", append(args, "./"+folder)...)
	command.Dir = t.Root
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	// A sabotaged guard leaves processes that nobody else would end.
	mark := "MUSTER_TRIAL_" + rand.Text()
	command.Env = append(os.Environ(), mark+"=1")
	command.Cancel = func() error { // the go command itself may tidy up
		endMarked(mark, command.Process.Pid)
		return command.Process.Signal(os.Interrupt)
	}
	command.WaitDelay = endTime
	err := command.Run()
	endMarked(mark, 0)
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return nil, err
	}
	v, err := read(&stdout)
	if err != nil {
		return nil, err
	}
	v.output.Write(stderr.Bytes())
	return v, nil
}

// endTime is how long a go command has to tidy up.
const endTime = 10 * time.Second
