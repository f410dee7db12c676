package engine

import (
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// Tree writes the snapshot for a terminal: a heading that counts the states, then a line for each
// manifold, once, below the input that stands deepest (of several the first), with the reason of its
// state, its latest error, its restarts, and its other inputs.
//
// FOR is how long the state has lasted, STARTS how many workers were started.
func (s Snapshot) Tree() string {
	var b strings.Builder
	b.WriteString(s.heading())
	b.WriteByte('\n')
	if len(s.Nodes) == 0 {
		return b.String()
	}
	t := tree{Snapshot: s, out: tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)}
	t.grow()
	fmt.Fprintln(t.out, "NAME\tSTATE\tFOR\tSTARTS\t")
	for _, root := range t.below[noInput] {
		t.node(root, "", "")
	}
	t.out.Flush()
	return trimLines(b.String())
}

// heading says how the engine is, and how many manifolds are in which state.
func (s Snapshot) heading() string {
	counts := map[State]int{}
	for _, node := range s.Nodes {
		counts[node.State]++
	}
	var parts []string
	for _, state := range states {
		if counts[state] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", counts[state], state))
		}
	}
	heading := fmt.Sprintf("engine %s at %s: %s", s.State, s.Taken.UTC().Format(time.RFC3339), times(len(s.Nodes), "manifold", "manifolds"))
	if parts != nil {
		heading += ": " + strings.Join(parts, ", ")
	}
	if s.Error != "" {
		heading += "; it ends because of: " + oneLine(s.Error)
	}
	return heading
}

// states in the order in which they are counted.
var states = []State{
	StateRunning, StateStarting, StateBlocked, StateBackoff, StateStopping, StateStuck, StateFinished, StateRemoved,
}

// noInput stands for the input of a manifold that has none.
const noInput = -1

// tree is one call of Snapshot.Tree.
type tree struct {
	Snapshot

	out   *tabwriter.Writer
	above []int         // for each of Nodes the one that it stands below, or noInput
	below map[int][]int // the inverse
}

// grow decides what stands below what. Of a cycle, which no engine has but a snapshot from elsewhere
// may, one manifold stands at the top.
func (t *tree) grow() {
	const unknown, climbing = 0, -1
	index := make(map[string]int, len(t.Nodes))
	for i, node := range t.Nodes {
		index[node.Name] = i
	}
	depth := make([]int, len(t.Nodes)) // from 1
	t.above = make([]int, len(t.Nodes))
	t.below = map[int][]int{}
	var climb func(i int) int
	climb = func(i int) int {
		if depth[i] != unknown {
			return depth[i]
		}
		depth[i] = climbing
		deepest, above := 0, noInput
		for _, input := range t.Nodes[i].Inputs {
			if j, known := index[input]; known {
				if d := climb(j); d > deepest {
					deepest, above = d, j
				}
			}
		}
		depth[i], t.above[i] = deepest+1, above
		return depth[i]
	}
	for i := range t.Nodes {
		climb(i)
		t.below[t.above[i]] = append(t.below[t.above[i]], i)
	}
}

// node writes the line of a manifold, and those of what stands below it.
func (t *tree) node(i int, first, rest string) {
	node := t.Nodes[i]
	fmt.Fprintf(t.out, "%s%s\t%s\t%s\t%d\t%s\n",
		first, visible(node.Name), node.State, age(node.Since, t.Taken), node.Starts, strings.Join(t.notes(i), "; "))
	children := t.below[i]
	for k, child := range children {
		if k < len(children)-1 {
			t.node(child, rest+"├─ ", rest+"│  ")
		} else {
			t.node(child, rest+"└─ ", rest+"   ")
		}
	}
}

// notes are what else is worth knowing of a manifold: the reason of its state first.
func (t *tree) notes(i int) []string {
	node := t.Nodes[i]
	var notes []string
	explained := node.Explain()
	if node.Flag != nil {
		flag := fmt.Sprintf("flag is %t", *node.Flag)
		if explained != "" {
			flag += ": " + explained
		}
		notes = append(notes, flag)
	} else if explained != "" {
		notes = append(notes, explained)
	}
	if node.LastError != "" && (len(node.Why) < 2 && !strings.Contains(explained, oneLine(node.LastError))) {
		notes = append(notes, fmt.Sprintf("last error %s ago: %s", age(node.LastErrorAt, t.Taken), oneLine(node.LastError)))
	}
	if restarts := node.restarts(); restarts != "" {
		notes = append(notes, "restarts: "+restarts)
	}
	if node.ReportError != "" {
		notes = append(notes, "no report: "+oneLine(node.ReportError))
	}
	if also := t.otherInputs(i); also != nil {
		notes = append(notes, "also needs "+strings.Join(also, ", "))
	}
	return notes
}

// restarts counts the restarts by their causes.
func (n Node) restarts() string {
	var parts []string
	for _, cause := range []RestartCause{CauseError, CauseInput, CauseBounce} {
		if count := n.Restarts[cause]; count > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", count, cause))
		}
	}
	return strings.Join(parts, ", ")
}

// otherInputs are those that the manifold doesn't stand below; optional ones keep their mark.
func (t *tree) otherInputs(i int) []string {
	var others []string
	for _, input := range t.Nodes[i].Inputs {
		if above := t.above[i]; above != noInput && t.Nodes[above].Name == input {
			continue
		}
		shown := visible(input)
		if slices.Contains(t.Nodes[i].Optional, input) {
			shown += optionalMark
		}
		others = append(others, shown)
	}
	return others
}

// trimLines takes the spaces off the ends of lines.
func trimLines(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		lines[i] = strings.TrimRight(line, " ")
	}
	return strings.Join(lines, "\n")
}
