package mutants_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/internal/mutants"
)

const root = "../.."

func TestEachMutantFitsTheCode(t *testing.T) {
	names := map[string]bool{}
	for _, m := range mutants.All() {
		assert.False(t, names[m.Name], "two mutants are named %q", m.Name)
		names[m.Name] = true
		text, err := m.Sabotage(root)
		if !assert.NoError(t, err) {
			continue
		}
		_, err = parser.ParseFile(token.NewFileSet(), m.File, text, parser.SkipObjectResolution)
		assert.NoError(t, err, "mutant %q is no Go", m.Name)
		assert.NotEqual(t, strings.Fields(m.Old), strings.Fields(m.New), "mutant %q changes nothing", m.Name)
	}
}

func TestEachRuleHasAMutant(t *testing.T) {
	broken := map[string]int{}
	for _, m := range mutants.All() {
		broken[m.Rule]++
	}
	for _, rule := range mutants.Rules {
		assert.Positive(t, broken[rule.ID], "no mutant breaks %s: %s", rule.ID, rule.Text)
		delete(broken, rule.ID)
	}
	assert.Empty(t, broken, "rules that mutants.Rules doesn't have")
}

func TestTheTestOfEachMutantStandsInItsPackage(t *testing.T) {
	declared := map[string]map[string]bool{}
	for _, m := range mutants.All() {
		folder := path.Dir(m.File)
		if m.In != "" {
			assert.NotEqual(t, folder, m.In, "mutant %q: In is the default", m.Name)
			folder = m.In
		}
		if declared[folder] == nil {
			declared[folder] = tests(t, folder)
		}
		test, _, _ := strings.Cut(m.Test, "/")
		assert.True(t, declared[folder][test], "mutant %q: there is no %s in %s", m.Name, test, folder)
	}
}

// tests gives the names of a package's test functions.
func tests(t *testing.T, folder string) map[string]bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, folder, "*_test.go"))
	require.NoError(t, err)
	names := map[string]bool{}
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		for _, decl := range file.Decls {
			if f, ok := decl.(*ast.FuncDecl); ok && f.Recv == nil && strings.HasPrefix(f.Name.Name, "Test") {
				names[f.Name.Name] = true
			}
		}
	}
	return names
}

func TestThePageIsTheTable(t *testing.T) {
	page, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(mutants.PageFile)))
	require.NoError(t, err)
	want := strings.Split(mutants.Page(mutants.Rules, mutants.All()), "\n")
	got := strings.Split(string(page), "\n")
	for i := range min(len(want), len(got)) {
		require.Equal(t, want[i], got[i], "%s:%d isn't what the table says: run make mutants", mutants.PageFile, i+1)
	}
	assert.Len(t, got, len(want), "%s isn't what the table says: run make mutants", mutants.PageFile)
}
