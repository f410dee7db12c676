package imports_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The tables of ARCHITECTURE.md, CONTRIBUTING.md and the pages in docs name tests; a name that no test
// has would be a promise that nobody keeps. A name may have its package's folder before it: store.TestX.
func TestTheTestsThatTheDocumentsNameExist(t *testing.T) {
	declared := declaredTests(t)
	require.Contains(t, declared["TestTheTestsThatTheDocumentsNameExist"], "internal/imports")
	name := regexp.MustCompile("`(?:([a-z/]+)\\.)?((?:Test|Fuzz|Benchmark|Example)[A-Z_]\\w*)`")
	documents, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	require.NoError(t, err)
	for _, name := range []string{"README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"} {
		documents = append(documents, filepath.Join(root, name))
	}
	for _, document := range documents {
		text, err := os.ReadFile(document)
		require.NoError(t, err)
		for _, match := range name.FindAllStringSubmatch(string(text), -1) {
			folder, test := match[1], match[2]
			assert.NotEmpty(t, declared[test], "%s names %s, which no test file declares: name the test that it means", filepath.Base(document), test)
			if folder != "" && len(declared[test]) > 0 {
				assert.Contains(t, declared[test], folder, "%s says that %s is in %s", filepath.Base(document), test, folder)
			}
		}
	}
}

// declaredTests gives, by the name of each test function of this module, the folders that have one.
func declaredTests(t *testing.T) map[string][]string {
	t.Helper()
	declared := map[string][]string{}
	err := filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(name, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		folder, err := filepath.Rel(root, filepath.Dir(name))
		if err != nil {
			return err
		}
		for _, decl := range file.Decls {
			if f, ok := decl.(*ast.FuncDecl); ok && f.Recv == nil {
				declared[f.Name.Name] = append(declared[f.Name.Name], filepath.ToSlash(folder))
			}
		}
		return nil
	})
	require.NoError(t, err)
	return declared
}

func TestEveryDependencyHasARowInContributing(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "CONTRIBUTING.md"))
	require.NoError(t, err)
	rows := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		if cells := strings.Split(line, "|"); len(cells) == 6 {
			rows[strings.TrimSpace(cells[1])] = true
		}
	}
	data, err := os.ReadFile(filepath.Join(root, "go.mod"))
	require.NoError(t, err)
	direct := regexp.MustCompile(`(?m)^\s*(?:require )?(\S+) v\S+$`).FindAllStringSubmatch(string(data), -1)
	require.NotEmpty(t, direct)
	for _, match := range direct {
		assert.True(t, rows[match[1]], "CONTRIBUTING.md's table of dependencies has no row for %s: say what for, why this one, and its licence", match[1])
	}
}
