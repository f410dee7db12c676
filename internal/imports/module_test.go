package imports_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/internal/imports"
)

const root = "../.."

func TestThisModuleKeepsTheRules(t *testing.T) {
	packages, err := imports.Load(root)
	require.NoError(t, err)
	for _, breach := range imports.Check(packages) {
		t.Error(breach)
	}
	// A Load that finds nothing would keep every rule.
	var paths []string
	for _, p := range packages {
		paths = append(paths, p.Path)
	}
	assert.Subset(t, paths, []string{"store", "claimer", "internal/bootclock", "internal/imports"})
	assert.NotContains(t, paths, "tools")
}

func TestNoProgramLinksTestLibraries(t *testing.T) {
	packages, err := imports.Load(root)
	require.NoError(t, err)
	args := []string{"list", "-deps", "-f", "{{.ImportPath}}"}
	for _, p := range packages {
		if !imports.IsKit(p.Path) {
			args = append(args, "./"+p.Path)
		}
	}
	command := exec.Command("go", args...)
	command.Dir = root
	command.Stderr = os.Stderr
	out, err := command.Output()
	require.NoError(t, err)
	linked := strings.Fields(string(out))
	require.Contains(t, linked, imports.Module+"/store")
	for _, imported := range linked {
		if imports.IsTestOnly(imported) {
			t.Errorf("%s is linked by production code: find the way with 'go list -deps', 'go mod why'; no user's program should carry test libraries", imported)
		}
	}
}

func TestLoadReadsAllPlatformsAndLeavesOutWhatIsNotOurs(t *testing.T) {
	folder := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		name = filepath.Join(folder, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o755))
		require.NoError(t, os.WriteFile(name, []byte(text), 0o644))
	}
	write("go.mod", "module example.test/x\n")
	write("a_test.go", "package x_test\n")
	write("a/a.go", "package a\nimport \"fmt\"\nfunc init() { fmt.Println() }\n")
	write("a/a_windows.go", "package a\nimport \"os\"\nvar _ = os.Args\n")
	write("a/a_test.go", "package a\nimport \"testing\"\n")
	write("tools/go.mod", "module example.test/x/tools\n")
	write("tools/tools.go", "package tools\n")
	write("a/testdata/broken.go", "not Go\n")
	write(".hidden/b.go", "not Go\n")

	packages, err := imports.Load(folder)
	require.NoError(t, err)
	assert.Equal(t, []imports.Package{{Path: "a", Imports: []string{"fmt", "os"}, Inits: []string{"a.go:3"}}}, packages)
}

func TestLoadSaysWhichFileItCantRead(t *testing.T) {
	folder := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(folder, "a.go"), []byte("not Go"), 0o644))
	_, err := imports.Load(folder)
	assert.ErrorContains(t, err, "a.go")
}
