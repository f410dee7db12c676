package imports

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// Package is what the rules look at.
type Package struct {
	Path    string   // below the module's root; "" for the root itself
	Imports []string // full import paths of its files, tests left out
	Inits   []string // where it declares func init, as file:line
}

// Check gives a line for each breach of the rules, sorted. A line names the package, what it does,
// and the reason of the rule.
func Check(packages []Package) []string {
	var breaches []string
	for _, p := range packages {
		breaches = append(breaches, p.check()...)
	}
	slices.Sort(breaches)
	return breaches
}

func (p Package) check() []string {
	may, why, placed := allowed(p.Path)
	if !placed {
		return []string{fmt.Sprintf("package %s isn't placed: add a rule for it to internal/imports/rules.go that says what it may import and why", p.Path)}
	}
	var breaches []string
	breach := func(format string, args ...any) {
		breaches = append(breaches, fmt.Sprintf("package %s ", p.Path)+fmt.Sprintf(format, args...))
	}
	for _, imported := range p.Imports {
		if own, ok := strings.CutPrefix(imported, Module+"/"); ok {
			switch {
			case IsKit(own) && !IsKit(p.Path):
				breach("imports the kit %s: kits are for tests, and bring test libraries with them", own)
			case !matchAny(may, own) && !matchAny(everyone, own):
				breach("imports %s; of this module it may import only %s: %s", own, list(append(slices.Clone(may), everyone...)), why)
			}
			continue
		}
		for _, limit := range Limits {
			if below(imported, limit.Import) && !matchAny(limit.Who, p.Path) {
				breach("imports %s; only %s may: %s", imported, list(limit.Who), limit.Why)
			}
		}
		if IsTestOnly(imported) && !IsKit(p.Path) {
			breach("imports %s: only tests and kits may, so that no user's program links test libraries", imported)
		}
	}
	for _, at := range p.Inits {
		breach("has a func init (%s): nothing happens by importing; what must be known (a driver, say) is named in ordinary code", at)
	}
	return breaches
}

// allowed gives what a package may import, and whether a rule places it.
func allowed(pkg string) (may []string, why string, placed bool) {
	if IsKit(pkg) {
		parent := path.Dir(pkg)
		may, _, placed = allowed(parent)
		return append([]string{parent}, may...), "a kit checks what its parent promises, for anybody's implementation", placed
	}
	for _, rule := range Rules {
		if match(rule.Who, pkg) {
			return rule.May, rule.Why, true
		}
	}
	return nil, "", false
}

// IsKit reports whether a package is a test kit: one of ours whose name ends in "test" and says
// what it tests.
func IsKit(pkg string) bool {
	name := path.Base(pkg)
	return strings.HasSuffix(name, "test") && name != "test" && strings.Contains(pkg, "/")
}

// IsTestOnly reports whether an import path is one of TestOnly or lies below it.
func IsTestOnly(imported string) bool {
	return slices.ContainsFunc(TestOnly, func(top string) bool { return below(imported, top) })
}

func below(imported, top string) bool {
	return imported == top || strings.HasPrefix(imported, top+"/")
}

func matchAny(patterns []string, pkg string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool { return match(pattern, pkg) })
}

func match(pattern, pkg string) bool {
	if top, ok := strings.CutSuffix(pattern, "/..."); ok {
		return below(pkg, top)
	}
	ok, err := path.Match(pattern, pkg)
	return ok && err == nil && !(strings.Contains(pattern, "*") && IsKit(pkg))
}

func list(patterns []string) string { return strings.Join(patterns, ", ") }
