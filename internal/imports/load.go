package imports

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Load reads every package of the module at root, with the files of all platforms; folders that
// are modules of their own, testdata and hidden folders are left out, and so are tests. A folder
// that holds tests only is no package here.
//
// It reads the files itself, instead of asking the go command, for two reasons: rules hold on
// every platform, and go test sees which files the result depends on, so a cached result is never
// stale.
func Load(root string) ([]Package, error) {
	found := map[string]*Package{}
	files := token.NewFileSet()
	err := filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if name != root && leftOut(name) {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		folder, err := filepath.Rel(root, filepath.Dir(name))
		if err != nil {
			return err
		}
		folder = strings.TrimPrefix(filepath.ToSlash(folder), ".")
		p, ok := found[folder]
		if !ok {
			p = &Package{Path: folder}
			found[folder] = p
		}
		return p.add(files, name)
	})
	if err != nil {
		return nil, fmt.Errorf("reading the module at %s: %w", root, err)
	}
	packages := make([]Package, 0, len(found))
	for _, p := range found {
		slices.Sort(p.Imports)
		p.Imports = slices.Compact(p.Imports)
		packages = append(packages, *p)
	}
	slices.SortFunc(packages, func(a, b Package) int { return strings.Compare(a.Path, b.Path) })
	return packages, nil
}

func leftOut(folder string) bool {
	base := filepath.Base(folder)
	if base == "testdata" || strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_") {
		return true
	}
	_, err := os.Stat(filepath.Join(folder, "go.mod"))
	return err == nil
}

// add takes up the imports and the init functions of a file.
func (p *Package) add(files *token.FileSet, name string) error {
	file, err := parser.ParseFile(files, name, nil, parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	for _, spec := range file.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return err
		}
		p.Imports = append(p.Imports, imported)
	}
	for _, decl := range file.Decls {
		if f, ok := decl.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == "init" {
			at := files.Position(f.Pos())
			p.Inits = append(p.Inits, fmt.Sprintf("%s:%d", filepath.Base(at.Filename), at.Line))
		}
	}
	return nil
}
