package mutants

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// Outcome is what became of a mutant.
type Outcome string

// The outcomes. All but Caught are faults: of the tests, or of the table.
const (
	Caught    Outcome = "caught"
	Survived  Outcome = "SURVIVED"  // its test passes: a hole in the suite
	Unbuilt   Outcome = "UNBUILT"   // it doesn't compile: it proves nothing
	Hung      Outcome = "HUNG"      // its test had to be stopped: it should fail by itself
	Undecided Outcome = "UNDECIDED" // its test didn't run, or only something else failed
)

// verdict is what one run of go test -json says.
type verdict struct {
	passed  map[string]bool // tests and subtests
	failed  []string        // in the order in which they ended, so a subtest stands before its test
	unbuilt bool
	hung    bool
	output  strings.Builder // of the build, of the package, and of tests that failed or never ended
}

// line is one of the output of go test -json.
type line struct {
	Action      string
	Test        string
	Output      string
	FailedBuild string
}

// read takes in the output of go test -json.
func read(from io.Reader) (*verdict, error) {
	v := &verdict{passed: map[string]bool{}}
	said := map[string]*strings.Builder{}
	lines := bufio.NewReader(from)
	for {
		text, err := lines.ReadString('\n')
		if text != "" {
			var l line
			if json.Unmarshal([]byte(text), &l) != nil {
				v.output.WriteString(text) // of the go command itself
			} else {
				v.take(l, said)
			}
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("the output of go test: %w", err)
		}
	}
	for _, rest := range said {
		v.output.WriteString(rest.String())
	}
	return v, nil
}

// take takes in one line; said is what tests under way have printed.
func (v *verdict) take(l line, said map[string]*strings.Builder) {
	if l.FailedBuild != "" || l.Action == "build-fail" {
		v.unbuilt = true
	}
	switch {
	case l.Action == "output" || l.Action == "build-output":
		if strings.Contains(l.Output, "panic: test timed out after") {
			v.hung = true
		}
		if l.Test == "" {
			v.output.WriteString(l.Output)
			return
		}
		if said[l.Test] == nil {
			said[l.Test] = &strings.Builder{}
		}
		said[l.Test].WriteString(l.Output)
	case l.Test == "":
	case l.Action == "pass", l.Action == "skip":
		v.passed[l.Test] = l.Action == "pass"
		delete(said, l.Test)
	case l.Action == "fail":
		v.failed = append(v.failed, l.Test)
		if said[l.Test] != nil {
			v.output.WriteString(said[l.Test].String())
			delete(said, l.Test)
		}
	}
}

// of gives the outcome for a test, and by which subtest it was caught, if by one.
func (v *verdict) of(test string) (Outcome, string) {
	switch {
	case v.unbuilt:
		return Unbuilt, ""
	case v.hung:
		return Hung, ""
	}
	test = strings.ReplaceAll(test, " ", "_") // as go test writes the names of subtests
	for _, failed := range v.failed {
		if failed == test || strings.HasPrefix(failed, test+"/") {
			return Caught, failed
		}
	}
	if v.passed[test] && len(v.failed) == 0 {
		return Survived, ""
	}
	return Undecided, ""
}
