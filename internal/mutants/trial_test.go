package mutants_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/internal/mutants"
)

// newModule makes a module with a function and its tests, and gives its folder.
func newModule(t *testing.T) string {
	t.Helper()
	t.Setenv("GOFLAGS", "")
	t.Setenv("GOWORK", "off")
	folder := t.TempDir()
	for name, text := range map[string]string{
		"go.mod":     "module example.test/m\n\ngo 1.26.0\n",
		"sum/doc.go": "package sum\n",
		"sum/sum.go": "package sum\n\n// Double doubles.\nfunc Double(n int) int { return 2 * n }\n",
		"use/doc.go": "package use\n",
		"use/u_test.go": `package use

import ("testing"; "example.test/m/sum")

func TestUse(t *testing.T) { if sum.Double(1) != 2 { t.Error("used") } }
`,
		"sum/s_test.go": `package sum

import "testing"

func TestDouble(t *testing.T) {
	t.Run("of zero", func(t *testing.T) { if Double(0) != 0 { t.Error("zero") } })
	t.Run("of two (2)", func(t *testing.T) { if Double(2) != 4 { t.Error("two") } })
}

func TestSkipped(t *testing.T) { t.Skip("not here") }

func TestWrong(t *testing.T) { t.Error("wrong from the beginning") }

func TestOtherThings(t *testing.T) { t.Cleanup(func() { Double(1) }) }
`,
	} {
		name = filepath.Join(folder, filepath.FromSlash(name))
		require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o755))
		require.NoError(t, os.WriteFile(name, []byte(text), 0o644))
	}
	return folder
}

func TestATrialSaysWhatBecameOfAMutant(t *testing.T) {
	if testing.Short() {
		t.Skip("runs the go command a dozen times: left out by -short")
	}
	folder := newModule(t)
	base := mutants.Mutant{Name: "x", File: "sum/sum.go", Old: "return 2 * n", Test: "TestDouble"}
	for name, c := range map[string]struct {
		change  func(m *mutants.Mutant)
		outcome mutants.Outcome
		by      string
		says    string
	}{
		"caught":                   {func(m *mutants.Mutant) { m.New = "return 3 * n" }, mutants.Caught, "TestDouble/of_two_(2)", "s_test.go:7: two"},
		"caught by the subtest":    {func(m *mutants.Mutant) { m.New, m.Test = "return 3 * n", "TestDouble/of two (2)" }, mutants.Caught, "TestDouble/of_two_(2)", "two"},
		"missed by the subtest":    {func(m *mutants.Mutant) { m.New, m.Test = "return 3 * n", "TestDouble/of zero" }, mutants.Survived, "", ""},
		"caught elsewhere":         {func(m *mutants.Mutant) { m.New, m.Test, m.In = "return 3 * n", "TestUse", "use" }, mutants.Caught, "TestUse", "used"},
		"caught by a panic":        {func(m *mutants.Mutant) { m.New = "panic(n)" }, mutants.Caught, "TestDouble/of_zero", "panic: 0"},
		"survived":                 {func(m *mutants.Mutant) { m.New = "return n + n" }, mutants.Survived, "", ""},
		"doesn't compile":          {func(m *mutants.Mutant) { m.New = "return two * n" }, mutants.Unbuilt, "", "undefined: two"},
		"doesn't compile, nor use": {func(m *mutants.Mutant) { m.New, m.Test, m.In = "return two * n", "TestUse", "use" }, mutants.Unbuilt, "", "undefined: two"},
		"the test is missing":      {func(m *mutants.Mutant) { m.New, m.Test = "return 3 * n", "TestNobodyWrote" }, mutants.Undecided, "", "no tests to run"},
		"the test is skipped":      {func(m *mutants.Mutant) { m.New, m.Test = "return 3 * n", "TestSkipped" }, mutants.Undecided, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			m := base
			c.change(&m)
			r, err := mutants.Trial{Root: folder, Timeout: time.Minute}.Try(t.Context(), m)
			require.NoError(t, err)
			assert.Equal(t, c.outcome, r.Outcome, r.Output)
			assert.Equal(t, c.by, r.By)
			assert.Contains(t, r.Output, c.says)
		})
	}
	t.Run("hangs", func(t *testing.T) {
		m := base
		m.New = "select {}"
		r, err := mutants.Trial{Root: folder, Timeout: time.Second}.Try(t.Context(), m)
		require.NoError(t, err)
		assert.Equal(t, mutants.Hung, r.Outcome, r.Output)
	})
	t.Run("its old text isn't there once", func(t *testing.T) {
		m := base
		m.Old = "Double"
		_, err := mutants.Trial{Root: folder, Timeout: time.Minute}.Try(t.Context(), m)
		assert.ErrorContains(t, err, "stands 2 times in sum/sum.go")
	})
	text, err := os.ReadFile(filepath.Join(folder, "sum", "sum.go"))
	require.NoError(t, err)
	assert.Contains(t, string(text), base.Old, "the checkout isn't touched")
}

func TestTestsThatDontPassWithoutAMutantAreFound(t *testing.T) {
	if testing.Short() {
		t.Skip("runs the go command a few times: left out by -short")
	}
	var table []mutants.Mutant
	for _, test := range []string{"TestDouble", "TestDouble/of two (2)", "TestWrong", "TestSkipped", "TestNobodyWrote", "TestOtherThings", "TestDouble/of three"} {
		table = append(table, mutants.Mutant{File: "sum/sum.go", Test: test})
	}
	table = append(table, mutants.Mutant{File: "sum/sum.go", Test: "TestUse", In: "use"})
	unsound, output, err := mutants.Trial{Root: newModule(t), Timeout: time.Minute}.Sound(t.Context(), table)
	require.NoError(t, err)
	assert.Equal(t, []string{"TestWrong", "TestSkipped", "TestNobodyWrote", "TestDouble/of three"}, unsound)
	assert.Contains(t, output, "wrong from the beginning")
}
