package engine

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// Mermaid writes the snapshot as a Mermaid flowchart, as Markdown pages show it: inputs above what
// depends on them, an arrow from each manifold to each of its inputs (dotted: optional), filled by
// state. Viewers draw 500 arrows unless they are told otherwise (maxEdges).
func (s Snapshot) Mermaid() string {
	var b strings.Builder
	b.WriteString("flowchart BT\n")
	// A name may be a word of the language ("end"), so nodes have numbers.
	ids := make(map[string]string, len(s.Nodes))
	id := func(name, label string) {
		ids[name] = fmt.Sprintf("n%d", len(ids))
		fmt.Fprintf(&b, "  %s[\"%s\"]", ids[name], label)
	}
	for _, node := range s.Nodes {
		id(node.Name, mermaidLabel(s.label(node)...))
		if look := node.look(); colours[look] != (colour{}) {
			fmt.Fprintf(&b, ":::%s", look)
		}
		b.WriteByte('\n')
	}
	for _, node := range s.Nodes {
		for _, input := range node.Inputs {
			if ids[input] == "" { // it was removed
				id(input, mermaidLabel(visible(input)))
				b.WriteByte('\n')
			}
			arrow := "-->"
			if slices.Contains(node.Optional, input) {
				arrow = "-.->"
			}
			fmt.Fprintf(&b, "  %s %s %s\n", ids[node.Name], arrow, ids[input])
		}
	}
	for _, look := range append([]State{lowered}, states...) {
		if slices.ContainsFunc(s.Nodes, func(n Node) bool { return n.look() == look }) {
			c := colours[look]
			fmt.Fprintf(&b, "  classDef %s fill:%s,stroke:%s,color:%s\n", look, c.fill, c.line, c.text)
		}
	}
	return b.String()
}

// mermaidLabel escapes lines of text for a quoted label. Mermaid gives a meaning to many characters
// even there (Markdown, icons, entities, directives), so all but the harmless ones are numbers.
func mermaidLabel(lines ...string) string {
	var b strings.Builder
	for i, line := range lines {
		if i > 0 {
			b.WriteString("<br/>")
		}
		for _, r := range line {
			if unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune(" -_/,.()…", r) {
				b.WriteRune(r)
			} else {
				fmt.Fprintf(&b, "#%d;", r)
			}
		}
	}
	return b.String()
}
