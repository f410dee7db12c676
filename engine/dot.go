package engine

import (
	"fmt"
	"slices"
	"strings"
)

// DOT writes the snapshot as a graph for Graphviz: inputs above what depends on them, an arrow from
// each manifold to each of its inputs (dashed: optional), filled by state.
func (s Snapshot) DOT() string {
	var b strings.Builder
	b.WriteString("digraph engine {\n")
	fmt.Fprintf(&b, "\trankdir=BT\n\tlabelloc=t\n\tlabel=%s\n", dotLabel(s.heading()))
	b.WriteString("\tnode [shape=box style=\"rounded,filled\" fontname=\"sans-serif\" fontsize=11]\n")
	b.WriteString("\tedge [color=\"#607d8b\"]\n")
	for _, node := range s.Nodes {
		c := node.colour()
		fmt.Fprintf(&b, "\t%s [label=%s tooltip=%s fillcolor=%q color=%q fontcolor=%q]\n",
			dotID(node.Name), dotLabel(s.label(node)...), dotLabel(node.tooltip()), c.fill, c.line, c.text)
	}
	for _, node := range s.Nodes {
		for _, input := range node.Inputs {
			fmt.Fprintf(&b, "\t%s -> %s", dotID(node.Name), dotID(input))
			if slices.Contains(node.Optional, input) {
				b.WriteString(" [style=dashed]")
			}
			b.WriteByte('\n')
		}
	}
	b.WriteString("}\n")
	return b.String()
}

// colour is how a drawing shows a state.
type colour struct{ fill, line, text string }

// lowered is the key of a running manifold whose flag is false.
const lowered State = "lowered"

// colours are told apart by those who don't see red and green as well, by their lightness.
var colours = map[State]colour{
	StateRunning:  {"#c8e6c9", "#2e7d32", "#000000"},
	lowered:       {"#f0f4c3", "#827717", "#000000"},
	StateStarting: {"#bbdefb", "#1565c0", "#000000"},
	StateBlocked:  {"#eeeeee", "#757575", "#000000"},
	StateBackoff:  {"#ffab91", "#d84315", "#000000"},
	StateStopping: {"#ffe0b2", "#ef6c00", "#000000"},
	StateFinished: {"#ffffff", "#2e7d32", "#000000"},
	StateRemoved:  {"#ffffff", "#bdbdbd", "#757575"},
	StateStuck:    {"#b71c1c", "#7f0000", "#ffffff"},
}

// look is the key of colours for the manifold.
func (n Node) look() State {
	if n.State == StateRunning && n.Flag != nil && !*n.Flag {
		return lowered
	}
	return n.State
}

func (n Node) colour() colour {
	if c, ok := colours[n.look()]; ok {
		return c
	}
	return colour{"#ffffff", "#000000", "#000000"}
}

// labelWidth is how much of a reason a drawing's box holds, in characters.
const labelWidth = 60

// label is what the box of a manifold says, line by line.
func (s Snapshot) label(n Node) []string {
	lines := []string{
		visible(n.Name),
		fmt.Sprintf("%s for %s, %s", n.State, age(n.Since, s.Taken), times(n.Starts, "start", "starts")),
	}
	if reason := n.Explain(); reason != "" {
		lines = append(lines, cut(reason, labelWidth))
	}
	return lines
}

// tooltip is what doesn't fit into the box.
func (n Node) tooltip() string {
	parts := []string{visible(n.Name) + " is " + string(n.State)}
	if reason := n.Explain(); reason != "" {
		parts = append(parts, reason)
	}
	if n.LastError != "" {
		parts = append(parts, "last error: "+oneLine(n.LastError))
	}
	return strings.Join(parts, "; ")
}

// dotID quotes a name as the identity of a node.
func dotID(name string) string { return `"` + dotIDEscapes.Replace(visible(name)) + `"` }

// dotLabel quotes lines of text that is shown.
func dotLabel(lines ...string) string {
	for i, line := range lines {
		lines[i] = dotLabelEscapes.Replace(line)
	}
	return `"` + strings.Join(lines, `\n`) + `"`
}

// In what is shown Graphviz reads entities such as &lt; too.
var (
	dotIDEscapes    = strings.NewReplacer(`\`, `\\`, `"`, `\"`)
	dotLabelEscapes = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "&", "&amp;")
)
