package mutants

import (
	"bytes"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// Mutant is one sabotage and the test that must catch it.
type Mutant struct {
	Name string // what the sabotaged code does wrong
	Rule string // the ID of what it breaks, one of Rules
	File string // below the module's root, with slashes
	Old  string // occurs in File exactly once
	New  string // takes the place of Old

	// Test fails with this mutant; a subtest stands after a "/".
	Test string
	// In is the folder of Test's package. Default: File's.
	In string
}

// folder is where the test's package stands.
func (m Mutant) folder() string {
	if m.In != "" {
		return m.In
	}
	return path.Dir(m.File)
}

// top is the name of the test function.
func (m Mutant) top() string {
	name, _, _ := strings.Cut(m.Test, "/")
	return name
}

// Sabotage gives the file's text as the mutant would have it; root is the module's folder. It fails
// if the old text isn't there exactly once.
func (m Mutant) Sabotage(root string) ([]byte, error) {
	source, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(m.File)))
	if err != nil {
		return nil, fmt.Errorf("mutant %q: %w", m.Name, err)
	}
	if n := bytes.Count(source, []byte(m.Old)); n != 1 {
		return nil, fmt.Errorf("mutant %q: its old text stands %d times in %s: give a text that stands there once", m.Name, n, m.File)
	}
	return bytes.Replace(source, []byte(m.Old), []byte(m.New), 1), nil
}
