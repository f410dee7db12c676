package mutants

import (
	"fmt"
	"strings"
)

// PageFile is where the page stands, below the module's root.
const PageFile = "docs/mutants.md"

const pageHead = `# Mutants

Each row is a sabotage of the code: a few words changed so that one promise is broken. Its test passes
without the sabotage and fails with it. A test that can't fail would protect nothing; these can.

` + "`make mutants`" + ` applies every one (to a copy, by the go command's overlay), runs the test, and fails
if any survives. This page is written by it; the changes themselves stand in ` + "`internal/mutants`" + `.

`

// Page is the table as docs/mutants.md shows it.
func Page(rules []Rule, mutants []Mutant) string {
	var page strings.Builder
	page.WriteString(pageHead)
	page.WriteString("| rule | sabotage | in | caught by |\n|---|---|---|---|\n")
	for _, rule := range rules {
		for _, m := range mutants {
			if m.Rule == rule.ID {
				fmt.Fprintf(&page, "| %s | %s | `%s` | %s |\n", rule.ID, m.Name, m.File, shown(m))
			}
		}
	}
	page.WriteString("\nThe rules in short; `ARCHITECTURE.md` has them in full.\n\n| rule | |\n|---|---|\n")
	for _, rule := range rules {
		fmt.Fprintf(&page, "| %s | %s |\n", rule.ID, rule.Text)
	}
	return page.String()
}

// shown is the test that catches the mutant, and where it stands if that isn't beside the file.
func shown(m Mutant) string {
	text := "`" + m.top() + "`"
	if _, part, ok := strings.Cut(m.Test, "/"); ok {
		text += ", “" + part + "”"
	}
	if m.In != "" {
		text += " in `" + m.In + "`"
	}
	return text
}
