package engine_test

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/muster-go/muster/engine"
)

var update = flag.Bool("update", false, "write the golden files in testdata anew")

// assertGolden compares with a file in testdata.
func assertGolden(t *testing.T, file, got string) {
	t.Helper()
	path := filepath.Join("testdata", file)
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(got), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, string(want), got, "if that is right: go test ./engine -run Golden -update")
}

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func pointer[T any](v T) *T { return &v }

// troubled is a snapshot with a manifold in each state.
func troubled() engine.Snapshot {
	ago := func(d time.Duration) time.Time { return noon.Add(-d) }
	return engine.Snapshot{Taken: noon, State: engine.StateRunning, Nodes: []engine.Node{
		{
			Name: "app", State: engine.StateBlocked, Inputs: []string{"store", "gate", "metrics"}, Optional: []string{"metrics"},
			Since: ago(2*time.Hour + 3*time.Minute), Starts: 2, LastError: "an old one", LastErrorAt: ago(3 * time.Hour),
			Restarts: map[engine.RestartCause]int{engine.CauseInput: 1},
			Why:      []engine.Cause{{"app", "waits for gate"}, {"gate", "not leader of web; leader is box-2"}},
		},
		{
			Name: "claimer", State: engine.StateRunning, Inputs: []string{"store"}, Dependents: []string{"tracker"},
			Since: ago(50 * time.Hour), Starts: 14, LastError: "read tcp 10.0.0.7:2379:\n\tconnection reset by peer", LastErrorAt: ago(50*time.Hour + time.Second),
			Restarts: map[engine.RestartCause]int{engine.CauseError: 9, engine.CauseInput: 3, engine.CauseBounce: 1},
		},
		{
			Name: "db", State: engine.StateBackoff, Dependents: []string{"reports"}, Since: ago(3 * time.Second), Starts: 3,
			LastError: "dial tcp 10.0.0.9:5432: connection refused", LastErrorAt: ago(3 * time.Second), BackoffUntil: noon.Add(4 * time.Second),
			Why: []engine.Cause{{"db", "failed 3 times: dial tcp 10.0.0.9:5432: connection refused; again in 4s"}},
		},
		{
			Name: "gate", State: engine.StateRunning, Inputs: []string{"tracker"}, Dependents: []string{"app"}, Flag: pointer(false),
			Since: ago(2*time.Hour + 3*time.Minute), Starts: 2, Why: []engine.Cause{{"gate", "not leader of web; leader is box-2"}},
		},
		{Name: "metrics", State: engine.StateStarting, Since: ago(0), Dependents: []string{"app"}},
		{Name: "migrate", State: engine.StateFinished, Inputs: []string{"store"}, Since: ago(51 * time.Hour), Starts: 1},
		{
			Name: "reports", State: engine.StateBlocked, Inputs: []string{"store", "db"}, Since: ago(3 * time.Second), Starts: 1,
			Why: []engine.Cause{{"reports", "waits for db"}, {"db", "failed 3 times: dial tcp 10.0.0.9:5432: connection refused; again in 4s"}},
		},
		{Name: "seeder", State: engine.StateRemoved, Since: ago(51 * time.Hour), Starts: 1},
		{
			Name: "session", State: engine.StateStopping, Inputs: []string{"store"}, Dependents: []string{"worker"}, Since: ago(42 * time.Second), Starts: 1,
			Why: []engine.Cause{{"session", "stopping: waits for worker"}, {"worker", "ignores Kill for 42s"}},
		},
		{Name: "store", State: engine.StateRunning, Dependents: []string{"app", "claimer", "migrate", "reports", "session"}, Since: ago(51 * time.Hour), Starts: 1, ReportError: "doesn't answer since 11:59:58"},
		{Name: "tracker", State: engine.StateRunning, Inputs: []string{"claimer"}, Dependents: []string{"gate"}, Flag: pointer(true), Since: ago(50 * time.Hour), Starts: 14},
		{
			Name: "worker", State: engine.StateStuck, Inputs: []string{"session", "store"}, Since: ago(32 * time.Second), Starts: 1,
			Why: []engine.Cause{{"worker", "ignores Kill for 42s"}},
		},
	}}
}

// hostile is a snapshot of names and texts that mean something to terminals, Graphviz and Mermaid.
func hostile() engine.Snapshot {
	names := []string{
		"", `"quoted"`, "&lt;b&gt;", "<script>", `\N`, "a\x1b[31mred", "a\nb", `a\nb`, "end", "n1", "x -> y", `ends with \`,
		"`code`", "%%{init: {}}%%", "$$x$$", "style:#1;", "1. list", "名前", "\xff", "tab\there", "|", "]", "a;b",
	}
	s := engine.Snapshot{Taken: noon, State: engine.StateStopping, Error: "disk\nfull \x1b[2J", Nodes: nil}
	for i, name := range names {
		node := engine.Node{Name: name, State: engine.StateBlocked, Since: noon, Why: []engine.Cause{{name, "waits for " + name}}}
		if i > 0 {
			node.Inputs = []string{names[i-1], "gone " + name}
			node.Optional = node.Inputs[1:]
		}
		s.Nodes = append(s.Nodes, node)
	}
	return s
}

func TestGoldenDrawings(t *testing.T) {
	for name, snapshot := range map[string]engine.Snapshot{"troubled": troubled(), "hostile": hostile(), "empty": {Taken: noon, State: engine.StateRunning}} {
		t.Run(name, func(t *testing.T) {
			assertGolden(t, name+".tree", snapshot.Tree())
			assertGolden(t, name+".dot", snapshot.DOT())
			assertGolden(t, name+".mermaid", snapshot.Mermaid())
		})
	}
}

func TestTreeHasALineForEachManifold(t *testing.T) {
	for _, snapshot := range []engine.Snapshot{troubled(), hostile()} {
		lines := strings.Split(strings.TrimSpace(snapshot.Tree()), "\n")
		assert.Len(t, lines, len(snapshot.Nodes)+2, "and two of heading")
		for _, line := range lines {
			assert.NotRegexp(t, `[\x00-\x1f\x7f]`, line)
		}
	}
}

func TestTreeOfACycleEnds(t *testing.T) {
	s := engine.Snapshot{Taken: noon, State: engine.StateRunning, Nodes: []engine.Node{
		{Name: "a", State: engine.StateBlocked, Inputs: []string{"b"}},
		{Name: "b", State: engine.StateBlocked, Inputs: []string{"a", "b"}},
	}}
	tree := s.Tree()
	assert.Regexp(t, `(?m)^b .*also needs a, b$`, tree)
	assert.Regexp(t, `(?m)^└─ a `, tree)
}

func TestNodeExplain(t *testing.T) {
	assert.Empty(t, engine.Node{}.Explain())
	assert.Equal(t, "waits for gate: not leader of web; leader is box-2", troubled().Nodes[0].Explain())
	long := engine.Node{Why: []engine.Cause{{"n", strings.Repeat("é", 301)}}}
	assert.Equal(t, strings.Repeat("é", 300)+"…", long.Explain())
}

// A statement of DOT as DOT writes it: quoted strings, and little else.
var (
	dotString    = `"(?:[^"\\]|\\.)*"`
	dotAttribute = `\w+=(?:` + dotString + `|\w+)`
	dotStatement = regexp.MustCompile(`^\t(?:` + strings.Join([]string{
		dotAttribute,
		`(?:node|edge) \[` + dotAttribute + `(?: ` + dotAttribute + `)*\]`,
		dotString + ` \[` + dotAttribute + `(?: ` + dotAttribute + `)*\]`,
		dotString + ` -> ` + dotString + `(?: \[style=dashed\])?`,
	}, "|") + `)$`)
)

func TestDOTIsWellFormedWhateverTheNames(t *testing.T) {
	for _, snapshot := range []engine.Snapshot{troubled(), hostile()} {
		dot := snapshot.DOT()
		lines := strings.Split(strings.TrimSuffix(dot, "\n"), "\n")
		assert.Equal(t, "digraph engine {", lines[0])
		assert.Equal(t, "}", lines[len(lines)-1])
		ids := map[string]bool{}
		for _, line := range lines[1 : len(lines)-1] {
			assert.Regexp(t, dotStatement, line)
			if id, isNode := strings.CutSuffix(regexp.MustCompile(`^\t`+dotString+` \[label`).FindString(line), " [label"); isNode {
				ids[id] = true
			}
		}
		assert.Len(t, ids, len(snapshot.Nodes), "each manifold has a node of its own")

		graphviz, err := exec.LookPath("dot")
		if err != nil {
			continue
		}
		command := exec.CommandContext(t.Context(), graphviz, "-Tsvg")
		command.Stdin = strings.NewReader(dot)
		output, err := command.CombinedOutput()
		assert.NoError(t, err, string(output))
	}
}

func TestMermaidIsWellFormedWhateverTheNames(t *testing.T) {
	statement := regexp.MustCompile(`^  (?:n\d+\["(?:[\p{L}\p{Nd} \-_/,.()…]|#\d+;|<br/>)*"\](?::::\w+)?|n\d+ (?:-->|-\.->) n\d+|classDef \w+ fill:#\w{6},stroke:#\w{6},color:#\w{6})$`)
	for _, snapshot := range []engine.Snapshot{troubled(), hostile()} {
		lines := strings.Split(strings.TrimSuffix(snapshot.Mermaid(), "\n"), "\n")
		assert.Equal(t, "flowchart BT", lines[0])
		for _, line := range lines[1:] {
			assert.Regexp(t, statement, line)
		}
	}
}

func ExampleSnapshot_Tree() {
	at := time.Date(2026, 3, 1, 3, 0, 0, 0, time.UTC)
	s := engine.Snapshot{Taken: at, State: engine.StateRunning, Nodes: []engine.Node{
		{
			Name: "app", State: engine.StateBlocked, Inputs: []string{"gate"}, Since: at.Add(-90 * time.Second), Starts: 1,
			Why: []engine.Cause{{Node: "app", Reason: "waits for gate"}, {Node: "gate", Reason: "not leader of web; leader is box-2"}},
		},
		{
			Name: "gate", State: engine.StateRunning, Inputs: []string{"tracker"}, Since: at.Add(-90 * time.Second), Starts: 2, Flag: new(bool),
			Why: []engine.Cause{{Node: "gate", Reason: "not leader of web; leader is box-2"}},
		},
		{Name: "tracker", State: engine.StateRunning, Since: at.Add(-49 * time.Hour), Starts: 1},
	}}
	fmt.Print(s.Tree())
	// Output:
	// engine running at 2026-03-01T03:00:00Z: 3 manifolds: 2 running, 1 blocked
	// NAME       STATE    FOR    STARTS
	// tracker    running  2d1h   1
	// └─ gate    running  1m30s  2       flag is false: not leader of web; leader is box-2
	//    └─ app  blocked  1m30s  1       waits for gate: not leader of web; leader is box-2
}
